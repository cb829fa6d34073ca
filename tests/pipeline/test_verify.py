"""The finished-file check: what it lets pass, and what it finds; each fault is made on purpose."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest
from av.packet import Packet
from av.stream import Stream
from PIL import Image
from torch import Tensor

from rife.analysis.record import Interval, Survey
from rife.errors import FinishedFileError, JobError
from rife.interpolation.interpolator import Interpolator
from rife.media.colour.convert import from_rgb
from rife.media.measure import thumbnail
from rife.media.video import mux as assembly
from rife.media.video.containers import container_for
from rife.media.video.encoding import Encoding
from rife.media.video.mux import Picture, TimedSegment, assemble
from rife.media.video.segment import SegmentReader, SegmentWriter
from rife.media.video.tracks import CopiedTracks
from rife.pipeline import interpolate_video
from rife.pipeline.plan import Plan
from rife.pipeline.rounding import largest_move, shown_times
from rife.pipeline.verify import Expected, FinishedCheck, check_finished, step_tolerance
from rife.timing import FactorClock, RateClock
from support.clips import Clip, decoded

pytestmark = pytest.mark.slow

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
MOVES = Interval(cut=False, repeated=False, luma_change=0.1)


def picture_of(codes: np.ndarray) -> av.VideoFrame:
    rgb = np.repeat(codes[..., None], 3, -1).clip(0, 255).astype(np.uint8)
    return av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")


def film(path: Path, frames: list[np.ndarray], *, rate: int = 10) -> Path:
    """Grey pictures, encoded without loss."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=rate, options={"qp": "0", "preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape, "yuv420p"
        for index, codes in enumerate(frames):
            picture = picture_of(codes)
            picture.pts, picture.time_base = index, Fraction(1, rate)
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return path


def blinking(path: Path) -> Path:
    """A light that fills half of the picture in every third frame."""
    dark = np.random.default_rng(0).integers(40, 120, (96, 160))
    lit = dark + 90 * (np.arange(160) < 80)
    return film(path, [lit if index % 3 == 1 else dark for index in range(10)])


# --- brightness ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".mp4", {}),
        (".mp4", {"crf": 51, "preset": "ultrafast"}),
        (".mp4", {"crf": 51, "codec": "libx265", "preset": "ultrafast"}),
        (".mkv", {"crf": 0}),
        (".webm", {"crf": 63, "preset": "8"}),
        (".mov", {"codec": "prores_ks"}),
        (".mp4", {"codec": "mpeg4"}),
    ],
)
def test_brightness_that_really_changes_is_no_fault(
    suffix: str, options: dict[str, object], tmp_path: Path, blender: Interpolator
) -> None:
    """A blinking light once failed the check, which compared new frames with their sources."""
    source = blinking(tmp_path / "blink.mp4")
    result = interpolate_video(source, tmp_path / f"out{suffix}", interpolator=blender, **options)  # type: ignore[arg-type]
    assert result.check.problems == ()
    assert result.check.frames == 20
    assert not any("flicker" in note for note in result.notes)


@pytest.mark.parametrize("step", [-4, 4])
def test_flicker_of_new_frames_is_a_warning_with_its_times(
    step: int, tmp_path: Path, blender: Interpolator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_brightness(rgb: Tensor, like: av.VideoFrame, **options: object) -> av.VideoFrame:
        return from_rgb(rgb + step / 219, like, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("rife.pipeline.render.from_rgb", other_brightness)
    result = interpolate_video(Clip(frames=10).make(tmp_path), tmp_path / "out.mp4", interpolator=blender)
    (told,) = result.notes
    assert re.match(rf"new frames are [34]\.\d codes of 255 {'brighter' if step > 0 else 'darker'} than", told)
    assert "at 0.02 to 0.34 s" in told
    assert result.check.warnings == (told,)
    assert result.check.luma_step == pytest.approx(step, abs=0.3)


def test_frames_that_are_not_the_ones_that_were_encoded_are_found(
    tmp_path: Path, blender: Interpolator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One frame of another picture, as a broken encoder leaves it: the mean of all frames hardly changes."""
    write = SegmentWriter.write

    def broken(self: SegmentWriter, picture: av.VideoFrame, pts: int) -> None:
        wrong = 255 - picture.to_ndarray(format="yuv420p") if pts == 7 * 512 else None
        write(self, picture if wrong is None else av.VideoFrame.from_ndarray(wrong, format="yuv420p"), pts)

    monkeypatch.setattr(SegmentWriter, "write", broken)
    output = tmp_path / "out.mp4"
    with pytest.raises(FinishedFileError, match=r"1 frames are not the ones that were encoded, at 0\.140 s") as error:
        interpolate_video(Clip(frames=10).make(tmp_path), output, interpolator=blender)
    assert not output.exists()
    assert (tmp_path / "out.failed-check.mp4").exists()
    assert isinstance(error.value.check, FinishedCheck)


def test_frames_that_are_all_a_little_brighter_than_encoded_are_found(
    tmp_path: Path, blender: Interpolator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def brighter(picture: av.VideoFrame) -> object:
        seen = thumbnail(picture)
        seen.cells[:] += 4
        return seen

    monkeypatch.setattr("rife.pipeline.verify.thumbnail", brighter)
    with pytest.raises(FinishedFileError, match=r"frames differ by \+[34]\.\d+ codes"):
        interpolate_video(Clip(frames=4).make(tmp_path), tmp_path / "out.mp4", interpolator=blender)


def test_the_tolerance_grows_with_the_quantiser() -> None:
    assert step_tolerance(0) < 9
    assert step_tolerance(18) < 12
    assert step_tolerance(63) == step_tolerance(51) == 48


# --- times and lengths -------------------------------------------------------------------------------------


class Written:
    """Files with times of a plan and one picture throughout: what FFmpeg's muxers make of times, without a network."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.picture = picture_of(np.full((48, 64), 90))
        self.encoding = Encoding("libx264", "yuv420p", {"preset": "ultrafast", "bf": "2"})
        self._segments: dict[int, tuple[Path, int]] = {}

    def check(self, plan: Plan, suffix: str) -> FinishedCheck:
        """Write the frames of a plan, and check them."""
        path, coarse = self.folder / f"out{suffix}", container_for(Path(f"x{suffix}")).tick
        times = list(shown_times(plan, coarse))
        segment, reordering = self._segment(len(times) - 1)
        tick = coarse or plan.clock.tick
        picture = Picture(self.encoding, self.picture, Fraction(25), tick, None, {})

        def segments() -> Iterator[TimedSegment]:
            yield TimedSegment(segment, times, reordering)

        assemble(path, segments, reordering=reordering, picture=picture, tracks=None)
        cells = thumbnail(self.picture).cells
        expected = Expected(
            times=(frame.pts for frame in plan.all_frames()),
            encoded=(cells for _ in times[:-1]),
            step_tolerance=step_tolerance(18),
            time_base=plan.clock.tick,
            time_tolerance=largest_move(plan, path, coarse),
            duration_seconds=plan.shown_seconds,
            sound=(),
        )
        return check_finished(path, expected)

    def _segment(self, frames: int) -> tuple[Path, int]:
        if frames not in self._segments:
            path = self.folder / f"{frames}.mkv"
            with SegmentWriter(
                path,
                self.encoding,
                first=self.picture,
                frame_rate=Fraction(25),
                time_base=Fraction(1, 25),
                sample_aspect_ratio=None,
                threads=1,
            ) as writer:
                for number in range(frames):
                    writer.write(self.picture, number)
                writer.finish()
            with SegmentReader(path) as reader:
                reordering = max(place - item.number for place, item in enumerate(reader.packets()))
            self._segments[frames] = path, reordering
        return self._segments[frames]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path)


def constant(rate: Fraction, frames: int, *, start: int = 0) -> Survey:
    step = 1001 if rate.denominator == 1001 else 1000
    pts = tuple(start + step * number for number in range(frames))
    return Survey(pts, step, 1 / (rate * step), (MOVES,) * (frames - 1), (0,))


RATES = [Fraction(text) for text in ("24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001", "60", "120")]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("rate", RATES, ids=str)
def test_any_constant_rate_from_any_other_passes(rate: Fraction, suffix: str, written: Written) -> None:
    """The last frame is shown for a whole period, up to one period longer than the source: that once failed."""
    for number, source_rate in enumerate(RATES):
        survey = constant(source_rate, 10 + number, start=333 if number % 2 else 0)
        plan = Plan(survey, RateClock(rate, survey.time_base), "hold", "keep", (64, 48))
        assert written.check(plan, suffix).problems == (), (source_rate, rate)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_a_last_frame_that_is_shown_long_keeps_its_length(suffix: str, tmp_path: Path, blender: Interpolator) -> None:
    """With reordered frames, the packet that is written last is not the one that is shown last."""
    source = resting(tmp_path / "rest.gif")
    result = interpolate_video(source, tmp_path / f"out{suffix}", interpolator=blender)
    assert result.check.picture_seconds == pytest.approx(2.7, abs=0.002)
    assert result.check.picture_seconds_planned == 2.7
    if suffix in (".mp4", ".mov"):
        with av.open(str(tmp_path / f"out{suffix}")) as file:
            video = file.streams.video[0]
            assert video.duration * video.time_base == Fraction(27, 10)


def resting(path: Path) -> Path:
    """An animation that rests at its end."""
    frames = [Image.new("RGB", (96, 64), (20, 40, 60)) for _ in range(8)]
    for number, frame in enumerate(frames):
        frame.paste((220, 180, 40), (8 + number * 6, 16, 40 + number * 6, 48))
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[100] * 7 + [2000], loop=0)
    return path


@pytest.mark.parametrize(
    "steps", [(40, 40, 40, 2000), (2000, 20, 20, 20, 20), (40, 700, 40, 900, 40, 20, 1000), (40,) * 9 + (5000, 5000)]
)
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_variable_rates_keep_their_length(suffix: str, steps: tuple[int, ...], written: Written) -> None:
    tick = Fraction(1, 1000)
    pts = tuple(sum(steps[:number]) for number in range(len(steps)))
    plan = Plan(
        Survey(pts, steps[-1], tick, (MOVES,) * (len(pts) - 1), (0,)), FactorClock(2, tick), "hold", "keep", (64, 48)
    )
    check = written.check(plan, suffix)
    assert check.problems == ()
    assert check.picture_seconds == pytest.approx(sum(steps) / 1000, abs=0.002)


def test_a_length_that_is_lost_is_found(tmp_path: Path, blender: Interpolator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembly, "_reach_to", lambda *_, **__: None)
    with pytest.raises(FinishedFileError, match=r"pictures last 1\.750 s, expected 2\.700 s"):
        interpolate_video(resting(tmp_path / "rest.gif"), tmp_path / "out.mp4", interpolator=blender)


@pytest.mark.parametrize("suffix", [".mkv", ".webm"])
def test_more_frames_than_a_container_tells_apart_are_refused_at_once(
    suffix: str, tmp_path: Path, blender: Interpolator
) -> None:
    """Matroska counts milliseconds: two frames once got the same time, and nothing was said."""
    source = Clip(frames=30, rate=Fraction(600)).make(tmp_path)
    with pytest.raises(JobError, match=r"would have 1200 frames a second, and a \.\w+ file counts .* Name an \.mp4"):
        interpolate_video(source, tmp_path / f"out{suffix}", interpolator=blender)
    assert list(tmp_path.iterdir()) == [source]
    result = interpolate_video(source, tmp_path / "out.mp4", interpolator=blender)
    assert result.check.problems == ()
    assert interpolate_video(source, tmp_path / f"one{suffix}", fps="1000", interpolator=blender).check.frames == 50


def test_two_source_frames_within_a_millisecond_get_times_of_their_own(tmp_path: Path, blender: Interpolator) -> None:
    source = Clip(frames=20, times=(*range(0, 360, 40), *range(361, 801, 40)), suffix=".mkv").make(tmp_path)
    close = Clip(frames=20, times=(0, 40, 41, *range(80, 760, 40)), suffix=".mkv").make(tmp_path, "close")
    for path in (source, close):
        output = tmp_path / f"{path.stem}_out.mkv"
        assert interpolate_video(path, output, interpolator=blender).check.problems == ()
        times = [frame.pts for frame in decoded(output)]
        assert len(set(times)) == len(times) == 40


def test_times_used_twice_are_found(tmp_path: Path, blender: Interpolator, monkeypatch: pytest.MonkeyPatch) -> None:
    def rounded(plan: Plan, coarse_tick: Fraction) -> Iterator[int]:
        ratio = plan.clock.tick / coarse_tick
        yield from (round(frame.pts * ratio) for frame in plan.all_frames())
        yield round(plan.last_end_pts * ratio)

    monkeypatch.setattr("rife.pipeline.segments.shown_times", rounded)
    source = Clip(frames=20, times=(0, 40, 41, *range(80, 760, 40)), suffix=".mkv").make(tmp_path)
    with pytest.raises(FinishedFileError, match=r"1 frames have the time of another, at 0\.04"):
        interpolate_video(source, tmp_path / "out.mkv", interpolator=blender)


# --- clips that were cut without encoding --------------------------------------------------------------------


@pytest.mark.parametrize("output", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("container", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("start", ["0.2", "0.36", "0.8"])
def test_a_clip_that_was_cut_by_stream_copy_passes(
    start: str, container: str, output: str, tmp_path: Path, blender: Interpolator
) -> None:
    """Sound and pictures before time zero, and a gap before the last frame."""
    long = Clip(frames=60, b_frames=2, audio=True, lossless=False, suffix=container).make(tmp_path, "long")
    source = tmp_path / f"cut{container}"
    cut = [FFMPEG, "-v", "error", "-ss", start, "-i", str(long), "-t", "1.2", "-c", "copy", str(source)]
    subprocess.run(cut, check=True)
    result = interpolate_video(source, tmp_path / f"out{output}", interpolator=blender)
    assert result.check.problems == ()
    assert result.check.frames == 2 * len(decoded(source))


# --- sound -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "after"), [(".ts", ".mkv"), (".mkv", ".mp4"), (".mp4", ".mkv"), (".ts", ".mov")])
def test_a_sound_track_of_one_packet_passes(before: str, after: str, tmp_path: Path, blender: Interpolator) -> None:
    """Matroska does not tell how long the last packet lasts."""
    film, source = Clip(frames=10, audio=True, suffix=before).make(tmp_path), tmp_path / f"one{before}"
    with av.open(str(film)) as whole, av.open(str(source), "w") as out:
        copies = {stream.index: out.add_stream_from_template(stream) for stream in whole.streams}
        packets = [packet for packet in whole.demux() if packet.size]
        sound = [packet for packet in packets if packet.stream.type == "audio"]
        for packet in packets:
            if packet.stream.type == "video" or packet is sound[1]:
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    result = interpolate_video(source, tmp_path / f"out{after}", interpolator=blender)
    assert (result.notes, result.check.problems) == ((), ())
    with av.open(str(tmp_path / f"out{after}")) as file:
        assert sum(packet.size > 0 for packet in file.demux(audio=0)) == 1


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_hole_that_is_lost_in_copying_is_found(
    suffix: str, tmp_path: Path, blender: Interpolator, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture, source = Clip(frames=6, rate=Fraction(2)).make(tmp_path), tmp_path / "hole.mkv"
    command = [FFMPEG, "-v", "error", "-i", str(picture), "-f", "lavfi", "-i", "sine=d=3", "-c:v", "copy"]
    subprocess.run([*command, "-af", "aselect='not(between(t,1,2))'", "-c:a", "aac", str(source)], check=True)
    output = tmp_path / f"out{suffix}"
    assert interpolate_video(source, output, interpolator=blender).check.problems == ()

    copied: Callable[[CopiedTracks], Iterator[Packet[Stream]]] = CopiedTracks._copied

    def early(self: CopiedTracks) -> Iterator[Packet[Stream]]:
        for packet in copied(self):
            assert packet.pts is not None
            if packet.pts * packet.time_base > 1.5:
                packet.pts -= round(Fraction(1, 2) / packet.time_base)
                packet.dts = packet.pts
            yield packet

    monkeypatch.setattr(CopiedTracks, "_copied", early)
    with pytest.raises(FinishedFileError, match=r"goes on at 1\.\d+ s after a hole, expected at 2\.0"):
        interpolate_video(source, output, interpolator=blender, overwrite=True)
