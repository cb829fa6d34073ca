"""A job that is cancelled from another thread ends at the next frame, keeps its finished segments and says so."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from rife.errors import CancelledError
from rife.interpolation.interpolator import Interpolator
from rife.media.paths import parse_output
from rife.pipeline import JobSettings, Progress, interpolate_video, work_folder
from support.clips import Clip, decoded


@pytest.fixture(autouse=True)
def _short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rife.pipeline.plan._FEWEST_FRAMES", 6)
    monkeypatch.setattr("rife.pipeline.plan._MOST_FRAMES", 6)


class CancelledFromAnotherThread:
    """Sets an event in another thread when a job has come to a frame of a stage; counts what is reported after it."""

    def __init__(self, stage: str, frames: int) -> None:
        self.event = threading.Event()
        self.reports_after = 0
        self._when = stage, frames

    def __call__(self, progress: Progress) -> None:
        self.reports_after += self.event.is_set()
        if (progress.stage, progress.frames_done) == self._when and not progress.frame_share:
            thread = threading.Thread(target=self.event.set)
            thread.start()
            thread.join()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "frames", "kept"), [("survey", 5, 0), ("make", 3, 0), ("make", 20, 1), ("make", 48, 3), ("check", 10, 4)]
)
def test_a_job_ends_at_the_frame_and_is_continued(
    stage: str, frames: int, kept: int, tmp_path: Path, blender: Interpolator
) -> None:
    source, output = Clip(frames=24).make(tmp_path), tmp_path / "o.mp4"
    cancelled = CancelledFromAnotherThread(stage, frames)
    with pytest.raises(CancelledError) as error:
        interpolate_video(source, output, interpolator=blender, cancel=cancelled.event, on_progress=cancelled)
    assert cancelled.reports_after == 0
    folder = work_folder(parse_output(output))
    assert error.value.segments == kept
    if kept:
        assert (error.value.folder, len(list(folder.glob("*.mkv")))) == (folder, kept)
        segments = "1 finished segment is" if kept == 1 else f"{kept} finished segments are"
        assert f"o.mp4: cancelled. {segments} in {folder}. Repeat the job" in str(error.value)
        assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == []
    else:
        assert error.value.folder is None
        assert "No segment was finished" in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, *[folder.name] * (kept > 0)])
    result = interpolate_video(source, output, interpolator=blender)
    assert (result.frames_resumed > 0) == (kept > 0)
    assert len(decoded(output)) == 48
    assert not folder.exists()


def test_pictures_are_not_written_by_halves(
    tmp_path: Path, blender: Interpolator, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output, cancel, written = Clip(frames=6).make(tmp_path), tmp_path / "out", threading.Event(), []
    from rife.media.images.folder_sink import FolderSink

    write = FolderSink.write

    def counted(self: FolderSink, *args: object, **options: object) -> None:
        written.append(1)
        if len(written) == 4:
            cancel.set()
        write(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(FolderSink, "write", counted)
    with pytest.raises(CancelledError):
        interpolate_video(source, output, interpolator=blender, cancel=cancel)
    assert len(written) == 4
    assert not output.exists()


def test_a_job_that_is_cancelled_before_it_begins_reads_no_frame(tmp_path: Path, blender: Interpolator) -> None:
    source, cancel, seen = Clip().make(tmp_path), threading.Event(), list[Progress]()
    cancel.set()
    with pytest.raises(CancelledError, match="No segment was finished"):
        interpolate_video(source, settings=JobSettings(), interpolator=blender, cancel=cancel, on_progress=seen.append)
    assert seen == []
    assert [path.name for path in tmp_path.iterdir()] == [source.name]


def test_a_signal_after_the_last_frame_does_not_take_the_result_back(tmp_path: Path, blender: Interpolator) -> None:
    source, output, cancel = Clip(frames=3).make(tmp_path), tmp_path / "o.mp4", threading.Event()
    assert interpolate_video(source, output, interpolator=blender, cancel=cancel).output_frames == 6
    cancel.set()
    assert output.exists()
