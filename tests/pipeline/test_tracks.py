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

from rife.interpolator import Interpolator
from rife.pipeline import interpolate_video
from support.clips import Clip, decoded

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


@pytest.mark.parametrize(("before", "after"), [(".mp4", ".mp4"), (".mkv", ".mkv"), (".mov", ".mov"), (".mp4", ".mkv")])
def test_a_film_keeps_all_its_tracks(before: str, after: str, tmp_path: Path, blender: Interpolator) -> None:
    source, output = film(tmp_path, before), tmp_path / f"out{after}"
    result = interpolate_video(source, output, interpolator=blender)
    subtitle_changes = before != after
    assert [note for note in result.notes if "subtitle" not in note] == []
    with av.open(str(source)) as a, av.open(str(output)) as b:
        kinds = [s.type for s in a.streams if s.type in ("video", "audio", "subtitle")]
        assert [s.type for s in b.streams if s.type in kinds] == [
            k for k in kinds if not (subtitle_changes and result.notes and k == "subtitle")
        ]
        assert [s.language for s in b.streams.audio] == ["eng", "fra"]
        assert [(c["metadata"]["title"], c["start"] * c["time_base"]) for c in b.chapters()] == [
            ("First", 0),
            ("Second", 1),
        ]
        assert b.metadata["title"] == "Film"
    for index in range(2):
        assert packets(source, "audio", index) == packets(output, "audio", index)
    if not subtitle_changes:
        assert packets(source, "subtitle", 0) == packets(output, "subtitle", 0)
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


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_covers(suffix: str, tmp_path: Path, blender: Interpolator) -> None:
    cover = tmp_path / "cover.png"
    av.VideoFrame.from_ndarray(np.full((32, 32, 3), 77, np.uint8), format="rgb24").to_image().save(cover)
    source = tmp_path / "in.mp4"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(Clip().make(tmp_path)), "-i", str(cover)]
    command += ["-map", "0", "-map", "1", "-c", "copy", "-disposition:v:1", "attached_pic", str(source)]
    subprocess.run(command, check=True)
    output = tmp_path / f"out{suffix}"
    result = interpolate_video(source, output, interpolator=blender)
    assert (result.notes, result.output_frames) == ((), 12)
    assert "(attached pic)" in described(output)


# --- slow motion -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slow", ["2", "2.5", "4"])
def test_slow_motion_keeps_the_rate_and_is_longer(slow: str, tmp_path: Path, blender: Interpolator) -> None:
    source = film(tmp_path, ".mkv")
    result = interpolate_video(source, tmp_path / "o.mkv", slow_motion=slow, interpolator=blender)
    assert result.frame_rate == 25
    assert result.duration_seconds == 2 * Fraction(slow)
    assert result.output_frames == 50 * Fraction(slow)
    assert sum("the output is slower; --audio stretch keeps sound" in note for note in result.notes) == 2
    with av.open(str(tmp_path / "o.mkv")) as file:
        starts = [float(p.pts * p.time_base) for p in file.demux(file.streams.subtitles[0]) if p.size]
        assert starts == pytest.approx([0.1 * float(slow), 1.0 * float(slow)], abs=0.002)
        assert [float(c["start"] * c["time_base"]) for c in file.chapters()] == [0, float(slow)]


def test_slow_motion_by_a_whole_number_keeps_every_source_frame(tmp_path: Path, blender: Interpolator) -> None:
    source = Clip(frames=8, times=(0, 40, 80, 200, 240, 500, 540, 580)).make(tmp_path)
    interpolate_video(source, tmp_path / "o.mp4", slow_motion="3", interpolator=blender, crf=0)
    before, after = decoded(source), decoded(tmp_path / "o.mp4")
    for index, frame in enumerate(before):
        same = after[3 * index]
        np.testing.assert_array_equal(frame.to_ndarray(), same.to_ndarray())
        assert same.pts * same.time_base == 3 * frame.pts * frame.time_base


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_stretched_sound_lasts_as_long_as_the_picture_at_the_same_pitch(
    suffix: str, tmp_path: Path, blender: Interpolator
) -> None:
    source = film(tmp_path, ".mp4")
    output = tmp_path / f"o{suffix}"
    result = interpolate_video(source, output, slow_motion="3", sound="stretch", interpolator=blender)
    for got, wanted in result.check.sound:
        assert (got, wanted) == (pytest.approx(6, abs=0.05), pytest.approx(6, abs=0.08))
    with av.open(str(output)) as file:
        samples = np.concatenate([f.to_ndarray()[0] for f in file.decode(audio=1)])
        rate = file.streams.audio[1].codec_context.sample_rate
    spectrum = np.abs(np.fft.rfft(samples[rate : 2 * rate]))
    assert int(spectrum.argmax()) == pytest.approx(880, abs=5)


def test_stretching_the_sound_of_a_silent_film_is_nothing(tmp_path: Path, blender: Interpolator) -> None:
    result = interpolate_video(
        Clip().make(tmp_path), tmp_path / "o.mp4", slow_motion="2", sound="stretch", interpolator=blender
    )
    assert result.notes == ()
