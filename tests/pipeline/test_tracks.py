"""Other tracks: everything that a container can hold is copied, in step with the picture."""

from __future__ import annotations

import re
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from rife.interpolation.interpolator import Interpolator
from rife.pipeline import interpolate_video
from support.clips import Clip, decoded, seconds_of
from support.tracks import bitmap_subtitles, codecs_of, packets_of, said, sound_file, speech_file, subtitle_file

pytestmark = pytest.mark.slow

SUBTITLES = "1\n00:00:00,100 --> 00:00:00,600\nOne\n\n2\n00:00:01,000 --> 00:00:01,500\nTwo\n"
CHAPTERS = (
    ";FFMETADATA1\ntitle=Film\n"
    "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=First\n"
    "[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=2000\ntitle=Second\n"
)
AUDIO_FRAME_SECONDS = 1024 / 48000


def film(folder: Path, suffix: str) -> Path:
    """Two seconds with two sound tracks, a subtitle, chapters and a rotation, made by another FFmpeg."""
    video = Clip(frames=50, b_frames=2, rotation=90 if suffix != ".mkv" else 0).make(folder, "picture")
    (folder / "text.srt").write_text(SUBTITLES)
    (folder / "chapters.txt").write_text(CHAPTERS)
    path = folder / f"film{suffix}"
    tone = "sine=frequency={}:sample_rate=48000:duration=2"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", str(video)]
    command += ["-f", "lavfi", "-i", tone.format(440), "-f", "lavfi", "-i", tone.format(880)]
    command += ["-i", str(folder / "text.srt"), "-i", str(folder / "chapters.txt")]
    command += ["-map", "0:v", "-map", "1:a", "-map", "2:a", "-map", "3:s", "-map_metadata", "4", "-map_chapters", "4"]
    command += ["-c:v", "copy", "-c:a", "aac", "-c:s", "mov_text" if suffix in (".mp4", ".mov") else "srt"]
    command += ["-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=fra", "-t", "2", str(path)]
    subprocess.run(command, check=True)
    return path


def packets(path: Path, kind: str, index: int) -> list[bytes]:
    with av.open(str(path)) as file:
        stream = [s for s in file.streams if s.type == kind][index]
        return [bytes(p) for p in file.demux(stream) if p.size]


def described(path: Path) -> str:
    """What the other FFmpeg says of a file."""
    run = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path)], capture_output=True, text=True, check=False
    )
    return run.stderr


@pytest.mark.parametrize(
    ("before", "after"),
    [(".mp4", ".mp4"), (".mkv", ".mkv"), (".mov", ".mov"), (".mp4", ".mkv"), (".mkv", ".mov")],
)
def test_a_film_keeps_all_its_tracks(before: str, after: str, tmp_path: Path, blender: Interpolator) -> None:
    source, output = film(tmp_path, before), tmp_path / f"out{after}"
    result = interpolate_video(source, output, interpolator=blender)
    form = {".mkv": "subrip", ".mp4": "mov_text", ".mov": "mov_text"}
    text_changes = form[before] != form[after]
    converted = f"subtitle track 3 ({form[before]}) is converted to {form[after]}: {after} holds text in that codec"
    assert result.notes == ((converted,) if text_changes else ())
    with av.open(str(source)) as a, av.open(str(output)) as b:
        kinds = [s.type for s in a.streams if s.type in ("video", "audio", "subtitle")]
        assert [s.type for s in b.streams if s.type in kinds] == kinds
        assert [s.language for s in b.streams.audio] == ["eng", "fra"]
        assert [(c["metadata"]["title"], c["start"] * c["time_base"]) for c in b.chapters()] == [
            ("First", 0),
            ("Second", 1),
        ]
        assert b.metadata["title"] == "Film"
    for index in range(2):
        assert packets(source, "audio", index) == packets(output, "audio", index)
    if not text_changes:
        assert packets(source, "subtitle", 0) == packets(output, "subtitle", 0)
    # Matroska has no times below zero: what primes the sound's decoder makes all tracks later.
    starts = [start for start, _, _ in said(output)]
    assert starts == pytest.approx([0.1, 1.0], abs=AUDIO_FRAME_SECONDS)
    assert [text for _, _, text in said(output)] == ["One", "Two"]
    assert {f.rotation for f in decoded(source)} == {f.rotation for f in decoded(output)}
    assert len(result.check.sound) == 2
    for got, wanted in result.check.sound:
        assert abs(got - wanted) <= AUDIO_FRAME_SECONDS
        assert abs(got - result.check.picture_seconds) <= 3 * AUDIO_FRAME_SECONDS
    assert abs(float(result.duration_seconds) - result.check.picture_seconds) <= AUDIO_FRAME_SECONDS
    # The length as another program sees it.
    found = re.search(r"Duration: 00:00:(\d+\.\d+)", described(output))
    assert found
    assert float(found[1]) == pytest.approx(2.0, abs=2 * AUDIO_FRAME_SECONDS)


def test_attached_files_and_covers(tmp_path: Path, blender: Interpolator) -> None:
    source = tmp_path / "in.mkv"
    with av.open(str(Clip().make(tmp_path))) as clip, av.open(str(source), "w") as out:
        video = out.add_stream_from_template(clip.streams.video[0])
        out.add_attachment("font.ttf", "font/ttf", b"not really a font" * 10)
        for packet in clip.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                out.mux(packet)
    result = interpolate_video(source, tmp_path / "out.mkv", interpolator=blender)
    assert result.notes == ()
    with av.open(str(tmp_path / "out.mkv")) as file:
        (attached,) = [s for s in file.streams if s.type == "attachment"]
        assert attached.name == "font.ttf"
        assert attached.data == b"not really a font" * 10
    result = interpolate_video(source, tmp_path / "out.mp4", interpolator=blender)
    assert any("cannot hold attached files" in note for note in result.notes)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".webm"])
def test_covers(suffix: str, tmp_path: Path, blender: Interpolator) -> None:
    cover = tmp_path / "cover.png"
    Image.fromarray(np.full((32, 32, 3), 77, np.uint8)).save(cover)
    source = tmp_path / "in.mp4"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(Clip().make(tmp_path)), "-i", str(cover)]
    command += ["-map", "0", "-map", "1", "-c", "copy", "-disposition:v:1", "attached_pic", str(source)]
    subprocess.run(command, check=True)
    output = tmp_path / f"out{suffix}"
    result = interpolate_video(source, output, interpolator=blender)
    assert result.output_frames == 12
    if suffix in (".mov", ".webm"):  # QuickTime's muxer takes a cover, and leaves it out of the file
        assert result.notes == (f"video track 1 (png) is not copied: {suffix} cannot hold covers; .mp4 and .mkv can",)
        return
    assert result.notes == ()
    assert "(attached pic)" in described(output)


@pytest.mark.parametrize("name", ["dca", "wmav2", "adpcm_ms", "pcm_mulaw", "pgs", "dvdsub", "webvtt"])
def test_tracks_that_matroska_holds_are_kept(name: str, tmp_path: Path, blender: Interpolator) -> None:
    """They were dropped: ".mkv cannot hold it; .mkv can"."""
    match name:
        case "pgs" | "dvdsub":
            source = bitmap_subtitles(tmp_path, "copy" if name == "pgs" else name)
        case "webvtt":
            source = subtitle_file(tmp_path / "in.webm", name, [(100, 500, "One")])
        case "wmav2":
            source = sound_file(tmp_path / "in.wmv", name, picture="wmv2")
        case _:
            source = sound_file(tmp_path / f"in{'.mov' if name == 'pcm_mulaw' else '.avi'}", name)
    result = interpolate_video(source, tmp_path / "o.mkv", interpolator=blender)
    assert result.notes == ()
    assert codecs_of(result.path)[1:] == codecs_of(source)[1:]
    assert packets_of(result.path, 1) == packets_of(source, 1)


@pytest.mark.parametrize(
    ("name", "suffix"), [("pcm_s16be", ".mp4"), ("pcm_s16le", ".mp4"), ("truehd", ".mp4"), ("amr", ".3gp")]
)
def test_sound_of_cameras_and_phones_is_kept(name: str, suffix: str, tmp_path: Path, blender: Interpolator) -> None:
    before = {"pcm_s16be": ".mov", "pcm_s16le": ".avi", "truehd": ".mkv"}
    source = speech_file(tmp_path / "in.3gp") if name == "amr" else sound_file(tmp_path / f"in{before[name]}", name)
    result = interpolate_video(source, tmp_path / f"o{suffix}", interpolator=blender)
    assert result.notes == ()
    assert packets_of(result.path, 1) == packets_of(source, 1)
    assert len(result.check.sound) == 1


def test_a_sound_that_an_output_cannot_hold_is_named_without_a_path(tmp_path: Path, blender: Interpolator) -> None:
    """QuickTime's muxer is said to hold Opus, and refuses it: the note had a temporary path and "returned 22"."""
    source = sound_file(tmp_path / "in.mp4", "libopus")
    result = interpolate_video(source, tmp_path / "o.mov", interpolator=blender)
    assert result.notes == ("audio track 1 (opus) is not copied: .mov cannot hold it; .mp4 and .mkv and .webm can",)


@pytest.mark.parametrize(("suffix", "kept"), [(".mov", True), (".mp4", True), (".mkv", True), (".3gp", False)])
def test_a_timecode_that_is_kept_is_not_called_lost(
    suffix: str, kept: bool, tmp_path: Path, blender: Interpolator
) -> None:
    source = tmp_path / "in.mov"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(Clip().make(tmp_path)), "-c", "copy"]
    subprocess.run([*command, "-timecode", "01:00:00:00", str(source)], check=True)
    result = interpolate_video(source, tmp_path / f"o{suffix}", interpolator=blender)
    with av.open(str(result.path)) as file:
        told = {name.lower(): value for name, value in file.streams.video[0].metadata.items()}
    assert told.get("timecode") == ("01:00:00:00" if kept else None)
    assert result.notes == (() if kept else ("the timecode 01:00:00:00 is not preserved: .3gp cannot hold it",))


# --- slow motion -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slow", ["2", "2.5", "4"])
def test_slow_motion_keeps_the_rate_and_is_longer(slow: str, tmp_path: Path, blender: Interpolator) -> None:
    source = film(tmp_path, ".mkv")
    result = interpolate_video(source, tmp_path / "o.mkv", slowmo=slow, interpolator=blender)
    assert result.frame_rate == 25
    assert result.duration_seconds == 2 * Fraction(slow)
    assert result.output_frames == 50 * Fraction(slow)
    assert sum("the output is slower, and audio is dropped, not stretched" in note for note in result.notes) == 2
    with av.open(str(tmp_path / "o.mkv")) as file:
        starts = [float(p.pts * p.time_base) for p in file.demux(file.streams.subtitles[0]) if p.size]
        assert starts == pytest.approx([0.1 * float(slow), 1.0 * float(slow)], abs=0.002)
        assert [float(c["start"] * c["time_base"]) for c in file.chapters()] == [0, float(slow)]


@pytest.mark.parametrize(("before", "codec", "after"), [(".mkv", "srt", ".mp4"), (".mp4", "mov_text", ".mkv")])
def test_converted_text_is_slower_too(
    before: str, codec: str, after: str, tmp_path: Path, blender: Interpolator
) -> None:
    source = subtitle_file(tmp_path / f"in{before}", codec, [(100, 200, "One"), (300, 400, "Two")])
    result = interpolate_video(source, tmp_path / f"o{after}", slowmo="2.5", interpolator=blender)
    assert said(result.path) == [(0.25, 0.5, "One"), (0.75, 1.0, "Two")]


def test_slow_motion_by_a_whole_number_keeps_every_source_frame(tmp_path: Path, blender: Interpolator) -> None:
    source = Clip(frames=8, times=(0, 40, 80, 200, 240, 500, 540, 580)).make(tmp_path)
    interpolate_video(source, tmp_path / "o.mp4", slowmo="3", interpolator=blender, crf=0)
    before, after = decoded(source), decoded(tmp_path / "o.mp4")
    for index, frame in enumerate(before):
        same = after[3 * index]
        np.testing.assert_array_equal(frame.to_ndarray(), same.to_ndarray())
        assert seconds_of(same) == 3 * seconds_of(frame)


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_stretched_sound_lasts_as_long_as_the_picture_at_the_same_pitch(
    suffix: str, tmp_path: Path, blender: Interpolator
) -> None:
    source = film(tmp_path, ".mp4")
    output = tmp_path / f"o{suffix}"
    result = interpolate_video(source, output, slowmo="3", audio="stretch", interpolator=blender)
    for got, wanted in result.check.sound:
        assert got == pytest.approx(6, abs=0.05)
        assert wanted == pytest.approx(6, abs=0.08)
    with av.open(str(output)) as file:
        samples = np.concatenate([f.to_ndarray()[0] for f in file.decode(audio=1)])
        rate = file.streams.audio[1].codec_context.sample_rate
    spectrum = np.abs(np.fft.rfft(samples[rate : 2 * rate]))
    assert int(spectrum.argmax()) == pytest.approx(880, abs=5)


def test_stretching_the_sound_of_a_silent_film_is_nothing(tmp_path: Path, blender: Interpolator) -> None:
    result = interpolate_video(
        Clip().make(tmp_path), tmp_path / "o.mp4", slowmo="2", audio="stretch", interpolator=blender
    )
    assert result.notes == ()
