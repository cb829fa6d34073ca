"""Damaged and hostile sources: a job ends well or says clearly why not, and leaves nothing under the output's name."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import pytest

from rife.errors import JobError, MediaError, RifeError
from rife.interpolation.interpolator import Interpolator
from rife.media.paths import parse_output
from rife.media.video.reader import VideoReader
from rife.media.video.tracks import CopiedTracks
from rife.pipeline import Progress, interpolate_video, work_folder
from rife.pipeline import plan as plan_module
from rife.pipeline.render import SegmentRenderer
from support.clips import Clip, decoded
from support.damage import MADE, Variant, frames_in_file

pytestmark = pytest.mark.slow

VARIANTS = [
    Variant("mp4", "truncated", 0),
    Variant("mp4 faststart", "truncated", 1),
    Variant("mp4", "flipped tail", 2),
    Variant("mp4", "gap", 0),
    Variant("mp4", "first picture dropped", 0),
    Variant("mov", "flipped head", 0),  # sound that no longer says that it is primed: the whole file moves
    Variant("mov", "flipped tail", 0),  # a damaged sound track once cost the video
    Variant("mov", "extreme number", 0),
    Variant("mkv", "appended to itself", 0),  # sound whose times fall back once cost the video
    Variant("mkv", "packet damaged", 0),
    Variant("mkv", "times missing", 0),
    Variant("variable mkv", "trembling times", 0),
    Variant("ts", "times missing", 0),  # a late gap: what a packet lasts in MP4 is not how long its picture is shown
    Variant("ts", "zeroed block", 0),
    Variant("avi", "inserted block", 0),
    Variant("gif", "flipped head", 0),
    Variant("webp", "truncated", 0),
    Variant("y4m", "removed block", 0),
    Variant("h264", "flipped anywhere", 0),
    Variant("pictures", "flipped anywhere", 0),
]


@pytest.fixture(scope="module")
def undamaged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {base: MADE[base](tmp_path_factory.mktemp("clip")) for base in {variant.base for variant in VARIANTS}}


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_a_damaged_source_ends_well_or_is_told(
    variant: Variant, undamaged: dict[str, Path], tmp_path: Path, blender: Interpolator
) -> None:
    source, output = variant.make(undamaged[variant.base], tmp_path), tmp_path / "out.mp4"
    result, message = None, ""
    try:
        result = interpolate_video(source, output, interpolator=blender)
    except RifeError as err:
        message = str(err)
    if result is not None:
        assert frames_in_file(output) == (result.output_frames, "")
        return
    assert message
    assert not any(word in message for word in ("\n", "failed-check"))
    assert [p.name for p in tmp_path.iterdir()] == [source.name]


def test_a_track_that_cannot_be_written_does_not_cost_the_video(
    tmp_path: Path, blender: Interpolator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer holds packets back, and blames another one: the file is written again without the track."""
    source, output = Clip(audio=True).make(tmp_path), tmp_path / "o.mp4"
    packets = CopiedTracks.packets

    def refused(self: CopiedTracks) -> object:
        if self.written:
            raise_for_video()
        return packets(self)

    def raise_for_video() -> None:
        from rife.media.video.mux import _failed

        raise _failed(av.ArgumentError(22, "Invalid argument"))

    monkeypatch.setattr(CopiedTracks, "packets", refused)
    result = interpolate_video(source, output, interpolator=blender)
    assert len(decoded(output)) == 12
    assert any("audio track 1 (aac) is not copied" in note for note in result.notes)


def test_sound_whose_times_fall_back_is_copied_as_far_as_it_goes(tmp_path: Path, blender: Interpolator) -> None:
    clip = MADE["mkv"](tmp_path)
    source = Variant("mkv", "appended to itself", 0).make(clip, tmp_path)
    result = interpolate_video(source, tmp_path / "o.mkv", interpolator=blender)
    assert result.output_frames == 48
    assert any("is incomplete" in note for note in result.notes)


class Once:
    """Does something when the second segment is being made."""

    def __init__(self, action: object) -> None:
        self.action = action

    def __call__(self, progress: Progress) -> None:
        if progress.stage == "make" and progress.frames_done == 20 and self.action is not None:
            action, self.action = self.action, None
            action()  # type: ignore[operator]


@pytest.fixture
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "_FEWEST_FRAMES", 6)
    monkeypatch.setattr(plan_module, "_MOST_FRAMES", 6)


@pytest.mark.usefixtures("short_segments")
@pytest.mark.parametrize("change", ["removed", "written"])
def test_a_source_that_changes_under_the_job_is_noticed(change: str, tmp_path: Path, blender: Interpolator) -> None:
    source, output = Clip(frames=24).make(tmp_path), tmp_path / "o.mp4"
    kept = source.stat().st_mtime_ns
    away = tmp_path / "away.mp4"
    action = (lambda: source.rename(away)) if change == "removed" else (lambda: os.utime(source, ns=(kept, kept + 1)))
    with pytest.raises(MediaError, match="changed, moved or removed while the job ran"):
        interpolate_video(source, output, interpolator=blender, on_progress=Once(action))
    assert not output.exists()
    segments = len(list(work_folder(parse_output(output)).glob("*.mkv")))
    assert segments >= 1
    if change == "removed":
        away.rename(source)
    assert interpolate_video(source, output, interpolator=blender).frames_resumed >= 6 * segments


@pytest.mark.usefixtures("short_segments")
def test_a_work_folder_that_is_removed_under_the_job(tmp_path: Path, blender: Interpolator) -> None:
    import shutil

    source, output = Clip(frames=24).make(tmp_path), tmp_path / "o.mp4"
    with pytest.raises(MediaError):
        interpolate_video(
            source,
            output,
            interpolator=blender,
            on_progress=Once(lambda: shutil.rmtree(work_folder(parse_output(output)))),
        )
    assert [p.name for p in tmp_path.iterdir()] == [source.name]


def test_a_file_that_was_being_joined_is_removed_by_the_next_run(tmp_path: Path, blender: Interpolator) -> None:
    """Killed while joining, a job once left a hidden file as large as its output for good."""
    source, output = Clip().make(tmp_path), tmp_path / "o.mp4"
    seen: list[list[str]] = []

    def look(progress: Progress) -> None:
        if progress.stage == "check":
            seen.append(sorted(p.name for p in tmp_path.iterdir()))

    work_folder(parse_output(output)).mkdir()
    half = work_folder(parse_output(output)) / ".joined.0123456789ab.mp4"
    half.write_bytes(b"half")
    interpolate_video(source, output, interpolator=blender, on_progress=look)
    assert seen[0] == ["clip.mp4", "o.mp4.rife-work"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.mp4", "o.mp4"]


def test_a_gap_of_hours_does_not_fill_the_disk(tmp_path: Path, blender: Interpolator) -> None:
    source = Clip(frames=4, suffix=".mkv", times=(0, 40, 36_000_000, 36_000_040)).make(tmp_path)
    with pytest.raises(JobError, match=r"frame 1 at 0\.04 s is shown until 36000\.00 s.*2159997 frames.*Take `factor`"):
        interpolate_video(source, tmp_path / "o.mkv", fps="60", interpolator=blender)
    result = interpolate_video(source, tmp_path / "o.mkv", factor=2, interpolator=blender)
    assert result.output_frames == 8
    assert result.duration_seconds == Fraction(36_000_080, 1000)


def test_pictures_of_absurd_size_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    source = tmp_path / "huge.avi"
    small = Clip(codec="rawvideo", suffix=".avi").make(tmp_path, "small").read_bytes()
    size = (96).to_bytes(4, "little") + (64).to_bytes(4, "little")
    huge = (60_000).to_bytes(4, "little") + (60_000).to_bytes(4, "little")
    assert size in small
    source.write_bytes(small.replace(size, huge))
    with pytest.raises(MediaError, match=r"not a video|60000x60000|size or time base"):
        VideoReader(source)


def test_a_pause_near_the_end_is_not_an_error(tmp_path: Path, blender: Interpolator) -> None:
    """The check once took what a packet lasts in MP4, in the order of decoding, for what is shown: 4.31 s of 3.58."""
    times = (*range(0, 2000, 40), 3500, 3540)
    source = Clip(frames=len(times), times=times, width=64, height=48).make(tmp_path)
    result = interpolate_video(source, tmp_path / "o.mp4", interpolator=blender)
    assert result.check.picture_seconds == pytest.approx(3.58, abs=0.03)


def test_the_worst_quality_is_not_taken_for_flicker(tmp_path: Path, blender: Interpolator) -> None:
    source = Clip(frames=12).make(tmp_path)
    result = interpolate_video(source, tmp_path / "o.mp4", crf=51, interpolator=blender)
    assert abs(result.check.luma_step) < 1


def test_what_a_file_cannot_hold_is_refused_before_any_work(tmp_path: Path, blender: Interpolator) -> None:
    source = Clip().make(tmp_path)
    for codec, name in (("libx264", "o.webm"), ("prores_ks", "o.mp4")):
        with pytest.raises(JobError, match=f"does not hold the stream of {codec}"):
            interpolate_video(source, tmp_path / name, codec=codec, interpolator=blender)
    with pytest.raises(JobError, match="in slow motion only"):
        interpolate_video(source, tmp_path / "o.mp4", audio="stretch", interpolator=blender)
    with pytest.raises(JobError, match="is a video file, without image files"):
        interpolate_video(source, tmp_path / "o.mp4", image_format="jpg", interpolator=blender)
    assert [p.name for p in tmp_path.iterdir()] == [source.name]


def test_an_announced_rate_that_is_not_so(tmp_path: Path, blender: Interpolator) -> None:
    """A browser's recording announces 1000 frames a second: slow motion once aimed at as many."""
    times = tuple(i * 40 for i in range(20))
    source = Clip(frames=20, rate=Fraction(1000), times=times, suffix=".mkv").make(tmp_path)
    result = interpolate_video(source, tmp_path / "o.mkv", slowmo="2.5", interpolator=blender)
    assert result.frame_rate < 60


def test_a_still_in_retimed_video_is_not_kept_in_memory(
    tmp_path: Path, blender: Interpolator, monkeypatch: pytest.MonkeyPatch
) -> None:
    still = [Clip().picture(0)] * 40 + [Clip().picture(i) for i in range(8)]
    source = tmp_path / "still.mkv"
    with av.open(str(source), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for picture in still:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")))
        out.mux(stream.encode(None))
    held: list[int] = []
    get = SegmentRenderer._get

    def counted(self: SegmentRenderer, number: int) -> object:
        found = get(self, number)
        held.append(len(self._in_use))
        return found

    monkeypatch.setattr(SegmentRenderer, "_get", counted)
    result = interpolate_video(source, tmp_path / "o.mkv", duplicates="retime", interpolator=blender)
    assert result.output_frames == 96
    assert 2 <= max(held) <= 3
