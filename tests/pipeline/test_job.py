"""The main job on files: exact times, untouched source frames, whole outputs, clear refusals."""

from __future__ import annotations

import re
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
import pytest

from rife.errors import JobError, MediaError, RifeError, TruncatedMediaError
from rife.interpolation.interpolator import Interpolator
from rife.media.colour.convert import to_rgb
from rife.media.video.segment import SegmentWriter
from rife.media.video.side_data import display_matrix_of
from rife.network.ifnet import IFNet
from rife.network.specs import SPECS
from rife.pipeline import JobSettings, Progress, default_output, interpolate_video
from support.clips import Clip, decoded, planes
from support.tracks import codecs_of


def frame_times(path: Path) -> list[Fraction]:
    """Times of all frames, as an FFmpeg that is not the one inside PyAV tells them."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-map", "0:v:0", "-copyts"]
    command += ["-fps_mode", "passthrough", "-enc_time_base", "demux", "-f", "framecrc", "-"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    base = re.search(r"#tb 0: (\d+)/(\d+)", text)
    assert base
    tick = Fraction(int(base[1]), int(base[2]))
    return [int(line.split(",")[2]) * tick for line in text.splitlines() if line and line[0] != "#"]


CLIPS = {
    "plain": Clip(),
    "ntsc": Clip(rate=Fraction(30000, 1001), frames=8),
    "film with B-frames": Clip(rate=Fraction(24000, 1001), frames=12, b_frames=3),
    "odd size": Clip(width=97, height=65, pixel_format="yuv444p"),
    "matroska": Clip(suffix=".mkv"),
    "10 bit": Clip(pixel_format="yuv420p10le"),
    "4:2:2": Clip(pixel_format="yuv422p"),
    "variable rate": Clip(times=(0, 40, 80, 200, 240, 500), suffix=".mp4"),
    "two frames": Clip(frames=2),
    "fine clock": Clip(times=(0, 3003, 6100, 9009, 12012, 15100), tick=Fraction(1, 90000)),
}


@pytest.mark.slow
@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("name", list(CLIPS))
def test_times_counts_and_source_frames(name: str, factor: int, tmp_path: Path, blender: Interpolator) -> None:
    source = CLIPS[name].make(tmp_path)
    output = tmp_path / f"out{source.suffix}"
    result = interpolate_video(source, output, factor=factor, interpolator=blender, crf=0)

    before, after = frame_times(source), frame_times(output)
    assert len(after) == len(before) * factor == result.output_frames
    assert result.source_frames == len(before)
    slack = Fraction(1, 1000) if source.suffix == ".mkv" else Fraction(0)  # Matroska counts milliseconds
    for i, when in enumerate(before[:-1]):
        for k in range(factor):
            expected = when + Fraction(k, factor) * (before[i + 1] - when)
            assert abs(after[i * factor + k] - expected) <= slack, (i, k)
    assert abs(after[-factor] - before[-1]) <= slack
    assert sorted(set(after)) == after

    sources, made = decoded(source), decoded(output)
    assert {f.format.name for f in made} == {CLIPS[name].pixel_format}
    for i, frame in enumerate(sources):
        for a, b in zip(planes(frame), planes(made[i * factor]), strict=True):
            np.testing.assert_array_equal(a, b)
    for held in made[-factor:]:
        for a, b in zip(planes(sources[-1]), planes(held), strict=True):
            np.testing.assert_array_equal(a, b)


def test_new_frames_are_the_right_blend(tmp_path: Path, blender: Interpolator) -> None:
    """With a network that blends, a new frame is the mean of its two source frames, rounded once."""
    source = Clip(pixel_format="yuv444p").make(tmp_path)
    output = tmp_path / "out.mp4"
    interpolate_video(source, output, interpolator=blender, crf=0)
    frames, made = decoded(source), decoded(output)
    for i in range(len(frames) - 1):
        for a, b, c in zip(planes(frames[i]), planes(frames[i + 1]), planes(made[2 * i + 1]), strict=True):
            assert np.abs((a.astype(float) + b) / 2 - c).max() <= 0.51


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_length_is_that_of_the_source(suffix: str, tmp_path: Path, blender: Interpolator) -> None:
    source = Clip(frames=10, audio=True, suffix=suffix).make(tmp_path)
    output = tmp_path / f"out{suffix}"
    result = interpolate_video(source, output, factor=4, interpolator=blender)
    with av.open(str(source)) as a, av.open(str(output)) as b:
        assert a.duration is not None
        assert b.duration is not None
        assert abs(a.duration - b.duration) <= av.time_base / 100
        assert b.streams.video[0].average_rate == pytest.approx(100, rel=0.02)
    assert result.duration_seconds == Fraction(10, 25)
    assert result.frame_rate == 100


def test_sound_title_chapters_and_rotation_are_carried_over(tmp_path: Path, blender: Interpolator) -> None:
    source = Clip(frames=20, audio=True, rotation=90, chapters=True).make(tmp_path)
    output = tmp_path / "out.mp4"
    result = interpolate_video(source, output, interpolator=blender)
    assert result.notes == ()
    with av.open(str(source)) as a, av.open(str(output)) as b:
        sound_a = [(p.pts, bytes(p)) for p in a.demux(audio=0) if p.dts is not None]
        sound_b = [(p.pts, bytes(p)) for p in b.demux(audio=0) if p.dts is not None]
        assert sound_a == sound_b
        assert sound_a
        assert b.metadata["title"] == "A made clip"
        assert [c["metadata"]["title"] for c in b.chapters()] == ["One"]
    rotations = {frame.rotation for frame in decoded(source)}, {frame.rotation for frame in decoded(output)}
    assert rotations[0] == rotations[1] != {0}


def test_a_track_that_the_output_cannot_hold_is_named(tmp_path: Path, blender: Interpolator) -> None:
    source = Clip(frames=10, audio=True).make(tmp_path)
    result = interpolate_video(source, tmp_path / "out.webm", interpolator=blender)
    assert len(result.notes) == 1
    assert re.match(r"audio track 1 \(aac\) is not copied: \.webm cannot hold it", result.notes[0])


def test_middle_frames_by_halving(tmp_path: Path, middle_blender: Interpolator) -> None:
    source = Clip(frames=3).make(tmp_path)
    assert interpolate_video(source, tmp_path / "o.mp4", factor=4, interpolator=middle_blender).output_frames == 12
    with pytest.raises(JobError, match="middle frames only"):
        interpolate_video(source, tmp_path / "p.mp4", factor=6, interpolator=middle_blender)
    assert not (tmp_path / "p.mp4").exists()


def test_progress_counts_to_the_end(tmp_path: Path, blender: Interpolator) -> None:
    source = Clip(frames=5).make(tmp_path)
    seen: list[Progress] = []
    interpolate_video(source, tmp_path / "o.mp4", factor=3, interpolator=blender, on_progress=seen.append)
    assert [(p.stage, p.frames_done) for p in seen] == [
        *(("survey", n) for n in range(1, 6)),
        *(("make", n) for n in range(1, 16)),
        *(("check", n) for n in range(1, 16)),
    ]
    assert {p.frames_total for p in seen if p.stage != "survey"} == {15}


def test_names_of_outputs() -> None:
    assert default_output(Path("a/film.mp4")) == Path("a/film_2x.mp4")
    rate, slow = JobSettings(fps="60000/1001"), JobSettings(slowmo="2.5", fps=30)
    assert default_output(Path("a/film.mp4"), rate) == Path("a/film_59.9401fps.mp4")
    assert default_output(Path("a/film.avi"), JobSettings(factor=3)) == Path("a/film_3x.mkv")
    assert default_output(Path("a/film.mov"), slow) == Path("a/film_slow2.5x_30fps.mov")


# --- refusals: each leaves nothing behind ----------------------------------------------------------------


def refused(tmp_path: Path, source: Path, worker: Interpolator, **options: object) -> RifeError:
    """Run a job that must fail, and check that the folder is as it was."""
    before = {p: p.read_bytes() if p.is_file() else b"" for p in tmp_path.rglob("*")}
    output = options.pop("output", tmp_path / "out.mp4")
    with pytest.raises(RifeError) as error:
        interpolate_video(source, output, interpolator=worker, **options)  # type: ignore[arg-type]
    assert {p: p.read_bytes() if p.is_file() else b"" for p in tmp_path.rglob("*")} == before
    return error.value


def test_no_such_file(tmp_path: Path, blender: Interpolator) -> None:
    error = refused(tmp_path, tmp_path / "nothing.mp4", blender)
    assert str(error) == f"{tmp_path / 'nothing.mp4'}: no such file. Check the path."


@pytest.mark.parametrize("content", [b"", b"not a video at all\n" * 100])
def test_not_a_video(content: bytes, tmp_path: Path, blender: Interpolator) -> None:
    source = tmp_path / "text.mp4"
    source.write_bytes(content)
    assert "not a readable video" in str(refused(tmp_path, source, blender))


def test_a_folder(tmp_path: Path, blender: Interpolator) -> None:
    assert "expected images" in str(refused(tmp_path, tmp_path, blender))


def test_sound_without_pictures(tmp_path: Path, blender: Interpolator) -> None:
    source = tmp_path / "sound.mp4"
    with av.open(str(source), "w") as out:
        stream = out.add_stream("aac", rate=48000)
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        tone.sample_rate = 48000
        out.mux(stream.encode(tone))
        out.mux(stream.encode(None))
    assert "no video track" in str(refused(tmp_path, source, blender))


def test_zero_frames(tmp_path: Path, blender: Interpolator) -> None:
    """A picture track whose packets hold nothing that decodes."""
    source = tmp_path / "none.mp4"
    with av.open(str(Clip(frames=3).make(tmp_path))) as clip, av.open(str(source), "w") as out:
        stream = out.add_stream_from_template(clip.streams.video[0])
        packet = av.Packet(b"\0" * 64)
        packet.stream, packet.pts, packet.dts, packet.duration = stream, 0, 0, 512
        packet.time_base = stream.time_base
        out.mux(packet)
    assert "no frame could be decoded" in str(refused(tmp_path, source, blender))


def test_one_frame(tmp_path: Path, blender: Interpolator) -> None:
    error = refused(tmp_path, Clip(frames=1).make(tmp_path), blender)
    assert isinstance(error, JobError)
    assert "has one frame" in str(error)


def test_output_exists(tmp_path: Path, blender: Interpolator) -> None:
    source = Clip().make(tmp_path)
    output = tmp_path / "out.mp4"
    output.write_bytes(b"precious")
    assert "exists already" in str(refused(tmp_path, source, blender))
    interpolate_video(source, output, interpolator=blender, overwrite=True)
    assert len(decoded(output)) == 12


def test_output_is_the_input(tmp_path: Path, blender: Interpolator) -> None:
    source = Clip().make(tmp_path)
    assert "the output is the input" in str(refused(tmp_path, source, blender, output=source, overwrite=True))
    link = tmp_path / "link.mp4"
    link.symlink_to(source)
    assert "the output is the input" in str(refused(tmp_path, source, blender, output=link, overwrite=True))


def test_output_folder_missing(tmp_path: Path, blender: Interpolator) -> None:
    source = Clip().make(tmp_path)
    assert "there is no folder" in str(refused(tmp_path, source, blender, output=tmp_path / "no" / "out.mp4"))


def test_output_ending_unknown(tmp_path: Path, blender: Interpolator) -> None:
    source = Clip().make(tmp_path)
    assert "expected one of .mp4" in str(refused(tmp_path, source, blender, output=tmp_path / "out.xyz"))
    assert "such a file holds a single picture" in str(refused(tmp_path, source, blender, output=tmp_path / "out.png"))


def test_no_permission_to_write(tmp_path: Path, blender: Interpolator, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Clip().make(tmp_path)

    def mkdir(self: Path, **_: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", mkdir)
    error = refused(tmp_path, source, blender)
    assert isinstance(error, MediaError)
    assert "cannot be written (Permission denied)" in str(error)


def test_an_error_in_the_middle_leaves_nothing(tmp_path: Path, blender: Interpolator) -> None:
    source = Clip().make(tmp_path)
    calls = []

    def interrupted(_: Progress) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interpolate_video(source, tmp_path / "o.mp4", interpolator=blender, on_progress=interrupted)
    assert sorted(p.name for p in tmp_path.iterdir()) == [source.name]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_truncated_files(suffix: str, tmp_path: Path, blender: Interpolator) -> None:
    whole = Clip(frames=100, suffix=suffix, faststart=True, lossless=False).make(tmp_path, "whole")
    source = tmp_path / f"cut{suffix}"
    source.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    output = tmp_path / f"out{suffix}"
    error = refused(tmp_path, source, blender, output=output)
    assert isinstance(error, TruncatedMediaError)
    match = re.search(r"decoding stopped at (\d\.\d\d) s of 4\.00 s, after (\d+) frames", str(error))
    assert match
    assert float(match[1]) == pytest.approx(int(match[2]) / 25, abs=0.05)
    assert 30 < int(match[2]) < 90
    assert "keep_partial=True" in str(error)

    partial = tmp_path / f"out.partial{suffix}"
    with pytest.raises(TruncatedMediaError, match=re.escape(str(partial))):
        interpolate_video(source, output, interpolator=blender, keep_partial=True)
    assert not output.exists()
    assert len(decoded(partial)) == 2 * int(match[2])


@pytest.mark.slow
def test_whole_files_are_not_called_truncated(tmp_path: Path, blender: Interpolator) -> None:
    for i, clip in enumerate((Clip(frames=3, suffix=".mkv"), Clip(frames=40, audio=True, suffix=".mkv"))):
        interpolate_video(clip.make(tmp_path, f"c{i}"), tmp_path / f"o{i}.mp4", interpolator=blender)


def test_a_picture_that_changes_size(tmp_path: Path, blender: Interpolator) -> None:
    """Two elementary streams of different sizes in a row: legal H.264, and nothing to interpolate between."""
    source = tmp_path / "both.h264"
    parts = [Clip(width=w, suffix=".h264").make(tmp_path, f"w{w}").read_bytes() for w in (96, 128)]
    source.write_bytes(b"".join(parts))
    assert "the frame size changes from 96x64 to 128x64" in str(refused(tmp_path, source, blender))


def test_an_elementary_stream_without_times(tmp_path: Path, blender: Interpolator) -> None:
    source = Clip(suffix=".h264", frames=5).make(tmp_path)
    result = interpolate_video(source, tmp_path / "out.mp4", interpolator=blender)
    assert result.output_frames == 10
    assert len(set(frame_times(tmp_path / "out.mp4"))) == 10


def test_a_partial_result_replaces_nothing(tmp_path: Path, blender: Interpolator) -> None:
    """--keep-partial once wrote over a source named NAME.partial.EXT, and over files of that name."""
    whole = Clip(frames=60, faststart=True, lossless=False).make(tmp_path, "whole")
    source = tmp_path / "film.partial.mp4"
    source.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    error = refused(tmp_path, source, blender, output=tmp_path / "film.mp4", keep_partial=True)
    assert "the output is the input" in str(error)
    (tmp_path / "z.partial.mp4").write_bytes(b"precious")
    error = refused(tmp_path, source, blender, output=tmp_path / "z.mp4", keep_partial=True)
    assert "z.partial.mp4: exists already" in str(error)


@pytest.mark.slow
def test_an_average_rate_that_is_a_long_fraction(tmp_path: Path, blender: Interpolator) -> None:
    """A phone's variable rate averages to a fraction whose double does not fit 32 bits: it once crashed."""
    rng = np.random.default_rng(0)
    times = tuple(int(i * 3_000_000 + rng.integers(0, 90_001)) for i in range(120))
    source = Clip(frames=120, width=32, height=32, times=times, tick=Fraction(1, 90_000_000)).make(tmp_path)
    result = interpolate_video(source, tmp_path / "out.mp4", factor=2, interpolator=blender)
    assert result.output_frames == 240
    with pytest.raises(JobError, match="would need a clock of 5760000000 ticks a second"):
        interpolate_video(source, tmp_path / "p.mp4", factor=64, interpolator=blender)


def test_colours_beyond_white_do_not_flicker(tmp_path: Path) -> None:
    """Refinement clamps to [0, 1]; camera footage goes beyond. Made frames once lost it, source frames kept it."""
    network = IFNet(SPECS["4.0"])
    for parameter in network.parameters():
        parameter.data.zero_()
    source = tmp_path / "bright.mp4"
    with av.open(str(source), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv444p"
        for _ in range(3):
            frame = av.VideoFrame(64, 64, "yuv444p")
            for plane, code in zip(frame.planes, (250, 90, 200), strict=True):
                np.frombuffer(memoryview(plane), np.uint8)[:] = code
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    output = tmp_path / "out.mp4"
    interpolate_video(source, output, interpolator=Interpolator(network, device="cpu", engine="torch"), crf=0)
    for frame in decoded(output):
        assert [(p.min(), p.max()) for p in planes(frame)] == [(250, 250), (90, 90), (200, 200)]


def test_odd_sizes_with_subsampled_chroma(tmp_path: Path, blender: Interpolator) -> None:
    source = Clip(width=65, height=49, codec="ffv1", suffix=".mkv").make(tmp_path)
    interpolate_video(source, tmp_path / "out.mp4", interpolator=blender)
    (frame, *_) = decoded(tmp_path / "out.mp4")
    assert (frame.width, frame.height) == (65, 49)


@pytest.mark.parametrize("size", [(64, 48), (1280, 720)])
@pytest.mark.parametrize("name", ["bgr0", "gbrp", "gray"])
def test_colours_of_sources_that_are_not_yuv(
    name: str, size: tuple[int, int], tmp_path: Path, blender: Interpolator
) -> None:
    """RGB once went out with one matrix and came back with another."""
    codec = "libx264rgb" if name == "gbrp" else "ffv1"
    red, green, blue = (133, 133, 133) if name == "gray" else (220, 40, 30)
    source = tmp_path / "rgb.mkv"
    with av.open(str(source), "w") as out:
        stream = out.add_stream(codec, rate=25, options={"qp": "0"} if codec == "libx264rgb" else {})
        stream.width, stream.height = size
        stream.pix_fmt = "gbrp" if name == "gbrp" and codec == "ffv1" else {"gbrp": "rgb24"}.get(name, name)
        rgb = np.full((size[1], size[0], 3), (red, green, blue), np.uint8)
        for _ in range(2):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=stream.pix_fmt)))
        out.mux(stream.encode(None))
    output = tmp_path / "out.mp4"
    result = interpolate_video(source, output, interpolator=blender, crf=0)
    for frame in decoded(output):
        shown = to_rgb(frame)[0].mean(dim=(1, 2)) * 255
        assert shown.tolist() == pytest.approx([red, green, blue], abs=2)
        assert frame.colorspace != 0
    assert bool(result.notes) == (name != "gray")


def test_depth_is_kept_as_far_as_the_encoder_goes(tmp_path: Path, blender: Interpolator) -> None:
    source = Clip(codec="ffv1", pixel_format="yuva444p12le", suffix=".mkv").make(tmp_path)
    result = interpolate_video(source, tmp_path / "out.mp4", interpolator=blender)
    assert {f.format.name for f in decoded(tmp_path / "out.mp4")} == {"yuv444p10le"}
    assert any("transparency" in note for note in result.notes)
    assert any("12 bits per sample" in note for note in result.notes)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_recording_that_starts_at_some_hour(suffix: str, tmp_path: Path, blender: Interpolator) -> None:
    source = Clip(frames=25, suffix=".ts", start=40000 * 25).make(tmp_path)
    output = tmp_path / f"out{suffix}"
    interpolate_video(source, output, interpolator=blender)
    with av.open(str(output)) as out:
        assert out.duration == pytest.approx(1.0 * av.time_base, abs=0.1 * av.time_base)
    assert float(frame_times(output)[0]) == pytest.approx(0, abs=0.1)


def test_pcm_sound_does_not_cost_the_video(tmp_path: Path, blender: Interpolator) -> None:
    """It once failed when the finished file was closed."""
    source = tmp_path / "pcm.mkv"
    with av.open(str(Clip().make(tmp_path))) as clip, av.open(str(source), "w") as out:
        video = out.add_stream_from_template(clip.streams.video[0])
        sound = out.add_stream("pcm_s16le", rate=48000)
        for packet in clip.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                out.mux(packet)
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.int16), format="s16", layout="mono")
        tone.sample_rate = 48000
        out.mux(sound.encode(tone))
        out.mux(sound.encode(None))
    for suffix in (".mp4", ".mkv"):
        result = interpolate_video(source, tmp_path / f"out{suffix}", interpolator=blender)
        assert result.notes == ()
        assert codecs_of(result.path) == ["h264", "pcm_s16le"]


def test_names_with_colons(tmp_path: Path, blender: Interpolator, monkeypatch: pytest.MonkeyPatch) -> None:
    Clip(frames=2).make(tmp_path, "12:30")
    monkeypatch.chdir(tmp_path)
    assert interpolate_video("12:30.mp4", "9:out.mp4", interpolator=blender).output_frames == 4


def test_mirroring_is_carried_over(tmp_path: Path, blender: Interpolator) -> None:
    source = Clip(mirrored=True).make(tmp_path)
    interpolate_video(source, tmp_path / "out.mp4", interpolator=blender)
    matrices = [display_matrix_of(decoded(p)[0]) for p in (source, tmp_path / "out.mp4")]
    assert matrices[0] is not None
    assert matrices[0] == matrices[1]


def test_pictures_that_the_decoder_holds_back_are_not_lost_at_a_truncation(
    tmp_path: Path, blender: Interpolator
) -> None:
    whole = Clip(frames=12, b_frames=3, faststart=True, lossless=False).make(tmp_path, "whole")
    data = bytearray(whole.read_bytes())
    with av.open(str(whole)) as clip:
        sizes = [(p.pos, p.size) for p in clip.demux(video=0) if p.dts is not None]
    source = tmp_path / "cut.mp4"
    source.write_bytes(data[: sizes[8][0] + sizes[8][1] // 2])
    error = refused(tmp_path, source, blender)
    found = re.search(r"after (\d+) frames", str(error))
    assert found
    assert int(found[1]) >= 8


@pytest.mark.parametrize(
    ("source_rate", "rate"),
    [
        (Fraction(24000, 1001), Fraction(60)),
        (Fraction(24000, 1001), Fraction(60000, 1001)),
        (Fraction(30), Fraction(24)),
        (Fraction(25), Fraction(25)),
    ],
)
def test_a_constant_rate(source_rate: Fraction, rate: Fraction, tmp_path: Path, blender: Interpolator) -> None:
    source = Clip(rate=source_rate, frames=20, pixel_format="yuv444p").make(tmp_path)
    output = tmp_path / "out.mp4"
    result = interpolate_video(source, output, fps=rate, interpolator=blender, crf=0)
    times = frame_times(output)
    assert times == [k / rate for k in range(len(times))]
    assert 0 <= len(times) / rate - 20 / source_rate < 1 / rate
    assert result.output_frames == len(times)
    frames, made = decoded(source), decoded(output)
    for k, frame in enumerate(made):
        place = k / rate * source_rate
        before, t = int(place), float(place % 1)
        after = min(before + 1, len(frames) - 1)
        for a, b, c in zip(planes(frames[before]), planes(frames[after]), planes(frame), strict=True):
            # The blending network weighs both frames equally at any time but 0.
            expected = a if t == 0 or after == before else (a.astype(float) + b) / 2
            assert np.abs(expected - c).max() <= 0.51


def test_a_constant_rate_needs_a_network_that_takes_any_time(
    tmp_path: Path, middle_blender: Interpolator, blender: Interpolator
) -> None:
    source = Clip(frames=3).make(tmp_path)
    with pytest.raises(JobError, match=r"frame rate 60: network 3\.8 makes middle frames only"):
        interpolate_video(source, tmp_path / "o.mp4", fps="60", interpolator=middle_blender)
    with pytest.raises(JobError, match="got both"):
        interpolate_video(source, tmp_path / "o.mp4", factor=2, fps="60", interpolator=blender)


@pytest.mark.parametrize(
    ("options", "threads"),
    [({}, 2), ({"preset": "slow"}, None), ({"codec": "ffv1"}, None), ({"codec": "libx265"}, None)],
)
def test_a_quick_encoder_gets_a_quarter_of_the_threads_beside_a_network_on_the_processor(
    options: dict[str, str], threads: int | None, tmp_path: Path, blender: Interpolator, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[object] = []

    class Writer(SegmentWriter):
        def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401
            given.append(named["threads"])
            super().__init__(*arguments, **named)

    monkeypatch.setattr("rife.pipeline.render.SegmentWriter", Writer)
    monkeypatch.setattr("torch.get_num_threads", lambda: 8)
    source = Clip(frames=3).make(tmp_path)
    interpolate_video(source, tmp_path / "out.mkv", interpolator=blender, **options)  # type: ignore[arg-type]
    assert given == [threads]
