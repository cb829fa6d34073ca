"""Files that appear when they are complete: their temporary names, and what is on the disk before the final name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rife.atomic import appearing_whole, named_beside
from rife.interpolation.interpolator import Interpolator
from rife.media.paths import parse_output
from rife.pipeline import interpolate_video
from rife.pipeline.workspace import work_folder
from support.clips import Clip, decoded

LONG = "映" * 81 + ".mp4"
"""247 bytes, and a legal name."""


def test_a_short_name_is_kept() -> None:
    assert named_beside(Path("a/film.mp4"), "", ".mp4.rife-work") == Path("a/film.mp4.rife-work")
    assert named_beside(Path("a/film"), ".", ".x") == Path("a/.film.x")


@pytest.mark.parametrize("after", [".mp4.rife-work", ".0123456789ab.mp4", ".failed-check12.mp4"])
def test_a_long_name_fits_and_stays_its_own(after: str) -> None:
    names = {named_beside(Path(end + LONG), "", after).name for end in ("", "映")}
    assert len(names) == 2
    assert all(len(name.encode()) <= 255 and name.endswith(after) for name in names)


def test_a_job_whose_result_has_a_long_name(tmp_path: Path, blender: Interpolator) -> None:
    """The result's name was legal, and that of the folder of its parts was not."""
    source = Clip(frames=3).make(tmp_path)
    output = tmp_path / LONG
    interpolate_video(source, output, interpolator=blender)
    assert len(decoded(output)) == 6
    assert {path.name for path in tmp_path.iterdir()} == {source.name, LONG}


def test_a_file_of_a_long_name_appears_whole(tmp_path: Path) -> None:
    with appearing_whole(tmp_path / LONG) as temporary:
        temporary.write_bytes(b"whole")
    assert (tmp_path / LONG).read_bytes() == b"whole"


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path]]:
    """What is asked of the disk, in order: ("sync", path) and ("name OLD PATH", new path)."""
    events: list[tuple[str, Path]] = []
    sync, replace, rename = os.fsync, Path.replace, Path.rename

    def synced(descriptor: int) -> None:
        events.append(("sync", Path(f"/proc/self/fd/{descriptor}").readlink()))
        sync(descriptor)

    monkeypatch.setattr("rife.atomic.os.fsync", synced)
    for move, name in ((replace, "replace"), (rename, "rename")):

        def moved(path: Path, target: Path, move: Callable[[Path, Path], Path] = move) -> Path:
            events.append((f"name {path}", Path(target)))
            return move(path, target)

        monkeypatch.setattr(Path, name, moved)
    return events


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors have no paths here")
@pytest.mark.parametrize("name", ["o.mp4", "o.mkv", "o.gif", "o.apng", "o.webp", "o.y4m"])
def test_every_output_file_is_on_the_disk_before_it_has_its_name(
    name: str, tmp_path: Path, blender: Interpolator, disk: list[tuple[str, Path]]
) -> None:
    output = tmp_path / name
    interpolate_video(Clip(frames=3).make(tmp_path), output, interpolator=blender)
    when, moved = next((when, event) for when, (event, path) in enumerate(disk) if path == output)
    temporary = Path(moved.removeprefix("name "))
    assert ("sync", temporary) in disk[:when]
    assert ("sync", tmp_path) in disk[when:]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors have no paths here")
@pytest.mark.parametrize("exists", [False, True])
def test_every_picture_is_on_the_disk_before_it_has_its_name(
    exists: bool, tmp_path: Path, blender: Interpolator, disk: list[tuple[str, Path]]
) -> None:
    source, output = Clip(frames=3).make(tmp_path), tmp_path / "pictures"
    if exists:
        output.mkdir()
    interpolate_video(source, output, interpolator=blender)
    named = [
        when for when, (event, path) in enumerate(disk) if event.startswith("name") and output in (path, path.parent)
    ]
    first, last = min(named), max(named)
    synced = [path for event, path in disk[:first] if event == "sync"]
    assert len([path for path in synced if path.name.startswith(".") and path.name[1:].isdigit()]) == 6
    assert ("sync", output if exists else tmp_path) in disk[last:]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors have no paths here")
def test_segments_and_their_records_are_on_the_disk_before_they_have_their_names(
    tmp_path: Path, blender: Interpolator, disk: list[tuple[str, Path]]
) -> None:
    output = tmp_path / "o.mp4"
    interpolate_video(Clip(frames=3).make(tmp_path), output, interpolator=blender)
    for name in ("manifest.json", "000000.mkv", "000000.json"):
        target = work_folder(parse_output(output)) / name
        when, moved = next((when, event) for when, (event, path) in enumerate(disk) if path == target)
        assert ("sync", Path(moved.removeprefix("name "))) in disk[:when], name
        assert ("sync", target.parent) in disk[when:], name
