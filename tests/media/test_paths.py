"""What paths name: parsed once."""

from __future__ import annotations

from pathlib import Path

import pytest

from rife.media.paths import parse_input, parse_output


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("-", "stream"), ("a.y4m", "y4m"), ("a.GIF", "animation"), ("a.apng", "animation"), ("a.webp", "animation"),
        ("new", "folder"), ("there", "folder"), ("there.mp4", "folder"), ("there%d.png", "folder"),
        ("a%04d.png", "pattern"), ("a%d.webp", "pattern"), ("a%d", "pattern"), ("50%%d.png", "picture"),
        ("a.png", "picture"), ("a.mp4", "video"), ("a%d.mp4", "video"), ("a.xyz", "video"), ("a%d.y4m", "y4m"),
    ],
)  # fmt: skip
def test_outputs(name: str, kind: str, tmp_path: Path) -> None:
    for folder in ("there", "there.mp4", "there%d.png"):
        (tmp_path / folder).mkdir()
    output = parse_output(Path("-") if name == "-" else tmp_path / name)
    assert output.kind == kind
    assert output.is_video == (kind == "video")
    assert (output.pattern is None) == (kind != "pattern")
    assert output.folder == (tmp_path if kind == "pattern" else output.path)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("-", "stream"), ("there", "folder"), ("a%d.png", "pattern"), ("file%d.png", "file"), ("film.mp4", "file"),
        ("50%%d.mp4", "file"), ("gone%d.mp4", "pattern"),
    ],
)  # fmt: skip
def test_inputs(name: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "file%d.png").touch()
    found = parse_input(Path("-") if name == "-" else tmp_path / name)
    assert found.kind == kind
    assert found.is_sequence == (kind in ("folder", "pattern"))
    assert found.exists == (name not in ("film.mp4", "50%%d.mp4"))


def test_names_of_incomplete_outputs(tmp_path: Path) -> None:
    names = {"film.mp4": "film.partial.mp4", "new": "new-partial", "a.gif": "a.partial.gif"}
    for name, expected in names.items():
        partial = parse_output(tmp_path / name).partial
        assert partial.path == tmp_path / expected
        assert partial.kind == parse_output(tmp_path / name).kind
    assert parse_output(Path("-")).partial.path == Path("-")
