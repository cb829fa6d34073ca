"""Folders and patterns of pictures as inputs."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rife.errors import MediaError, TruncatedMediaError
from rife.media.images import sequence
from rife.media.images.image_file import decode_picture
from rife.media.images.sequence import ImageSequence, matches, natural_key, numbered
from rife.media.paths import parse_input
from support.pictures import codes_of, random_codes, save_png, textured


def names(source: ImageSequence) -> list[str | None]:
    return [frame.name for frame in source.frames()]


def folder_of(tmp_path: Path, *files: str) -> Path:
    folder = tmp_path / "shots"
    folder.mkdir()
    for index, name in enumerate(files):
        save_png(folder / name, index)
    return folder


def test_a_folder_is_read_in_natural_order_with_gaps(tmp_path: Path) -> None:
    order = ["a1", "a2", "a10", "a011", "a0100", "b3"]
    folder = folder_of(tmp_path, *(f"{name}.png" for name in reversed(order)))
    with ImageSequence(folder) as source:
        assert names(source) == order
        assert source.info.frames == 6
        assert source.info.duration_seconds == Fraction(6, 25)
        frames = list(source.frames())
    assert [(frame.pts, frame.duration) for frame in frames] == [(index, 1) for index in range(6)]
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(codes_of(frame.picture), textured(5 - index))


@given(st.lists(st.integers(0, 10**30), unique=True, min_size=1, max_size=9), st.text("ab-_ .²٣", max_size=3))
def test_numbers_in_names_count_as_numbers(numbers: list[int], text: str) -> None:
    by_name = sorted((f"{text}{number}.png" for number in numbers), key=natural_key)
    assert by_name == [f"{text}{number}.png" for number in sorted(numbers)]


@given(st.lists(st.text("a01²", max_size=4), max_size=8))
def test_any_names_have_one_order(some: list[str]) -> None:
    keys = sorted({natural_key(name) for name in some})
    assert len(keys) == len(set(some))


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(1, 3), Fraction(24)])
def test_the_rate_is_the_callers(tmp_path: Path, rate: Fraction) -> None:
    source = ImageSequence(folder_of(tmp_path, "1.png", "2.png"), frame_rate=rate)
    assert (source.info.frame_rate, source.info.time_base) == (rate, 1 / rate)
    with pytest.raises(MediaError, match="frame rate above 0"):
        ImageSequence(tmp_path / "shots", frame_rate=Fraction(0))


def test_other_files_and_folders_are_ignored(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.PNG", "b.png")
    for name in ("notes.txt", ".DS_Store", "Thumbs.db", "._a.png", ".hidden.png"):
        (folder / name).write_bytes(b"x")
    (folder / "more.png").mkdir()
    assert names(ImageSequence(folder)) == ["a", "b"]


def test_odd_names_are_only_names(tmp_path: Path) -> None:
    odd = ["100%d", "[a-b]", "file:c", "pipe:1", "sp ace", "ünï-码", "%04d", "a*?"]
    folder = folder_of(tmp_path, *(f"{name}.png" for name in odd))
    assert sorted(map(str, names(ImageSequence(folder)))) == sorted(odd)


def test_links_are_followed_and_broken_ones_named(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "1.png")
    (folder / "2.png").symlink_to(save_png(tmp_path / "elsewhere.png", 1))
    linked = tmp_path / "linked"
    linked.symlink_to(folder)
    assert names(ImageSequence(linked)) == ["1", "2"]
    (folder / "3.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(MediaError, match=r"3\.png: cannot be read.*image 3 of 3"):
        ImageSequence(folder)


@pytest.mark.parametrize(("content", "words"), [(b"", "empty"), (b"text", "another format")])
def test_a_bad_file_among_good_ones_is_named_before_anything_runs(tmp_path: Path, content: bytes, words: str) -> None:
    folder = folder_of(tmp_path, "1.png", "2.png", "3.png")
    (folder / "2.png").write_bytes(content)
    with pytest.raises(MediaError, match=rf"2\.png.*{words}.*image 2 of 3"):
        ImageSequence(folder)


def folder_with_a_cut(tmp_path: Path, cut: str) -> Path:
    """Three pictures too large for their headers' bytes to hold them, one of them cut short."""
    folder = tmp_path / "shots"
    folder.mkdir()
    for index in range(3):
        Image.fromarray(random_codes((200, 200, 3), seed=index)).save(folder / f"{index + 1}.png")
    data = (folder / cut).read_bytes()
    (folder / cut).write_bytes(data[: len(data) * 2 // 3])
    return folder


def test_a_truncated_file_stops_after_the_good_ones(tmp_path: Path) -> None:
    frames = ImageSequence(folder_with_a_cut(tmp_path, "2.png")).frames()
    assert next(frames).name == "1"
    with pytest.raises(TruncatedMediaError, match=r"2\.png.*image 2 of 3"):
        next(frames)


def test_the_first_file_truncated_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="image 1 of 3") as refused:
        next(ImageSequence(folder_with_a_cut(tmp_path, "1.png")).frames())
    assert not isinstance(refused.value, TruncatedMediaError)


def test_other_sizes_are_refused_with_both_and_the_name(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "1.png", "2.png")
    save_png(folder / "10.png", size=(40, 32))
    with pytest.raises(MediaError, match=r"10\.png: is 40x32, expected 46x32 like 1\.png.*image 3 of 3"):
        ImageSequence(folder)


def test_a_file_that_changes_meanwhile_is_noticed(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "1.png", "2.png")
    source = ImageSequence(folder)
    save_png(folder / "2.png", size=(40, 32))
    with pytest.raises(TruncatedMediaError, match="has changed"):
        list(source.frames())


def test_grey_rgb_alpha_and_depth_meet_in_the_richest(tmp_path: Path) -> None:
    folder = tmp_path / "shots"
    folder.mkdir()
    grey, rgb, deep = random_codes((8, 9)), random_codes((8, 9, 3)), random_codes((8, 9), deep=True)
    Image.fromarray(grey).save(folder / "1.png")
    Image.fromarray(rgb).save(folder / "2.png")
    Image.fromarray(deep).save(folder / "3.png")
    pictures = [codes_of(frame.picture) for frame in ImageSequence(folder).frames()]
    np.testing.assert_array_equal(pictures[0], np.repeat(grey[..., None], 3, -1).astype(np.uint16) * 257)
    np.testing.assert_array_equal(pictures[1], rgb.astype(np.uint16) * 257)
    np.testing.assert_array_equal(pictures[2], np.repeat(deep[..., None], 3, -1))
    Image.fromarray(random_codes((8, 9, 4))).save(folder / "4.png")
    assert ImageSequence(folder).pixel_format == "gbrap16le"


def test_two_kinds_of_file_are_refused_with_their_numbers(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "1.png", "2.png")
    Image.fromarray(textured(0)).save(folder / "3.jpg")
    with pytest.raises(MediaError, match="2 png, 1 jpg"):
        ImageSequence(folder)
    assert names(ImageSequence(folder / "%d.png")) == ["1", "2"]


def test_names_that_differ_in_the_ending_only_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "shots"
    folder.mkdir()
    for ending in ("jpg", "jpeg"):
        Image.fromarray(textured(0)).save(folder / f"a.{ending}")
    with pytest.raises(MediaError, match=r"a\.jpe?g and a\.jpe?g"):
        ImageSequence(folder)


def test_an_empty_folder_and_one_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "shots").mkdir()
    with pytest.raises(MediaError, match="the folder is empty"):
        ImageSequence(tmp_path / "shots")
    (tmp_path / "shots" / "a.txt").write_text("x")
    with pytest.raises(MediaError, match="found 1 other files"):
        ImageSequence(tmp_path / "shots")


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1)])
def test_one_tiny_picture(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "shots").mkdir()
    save_png(tmp_path / "shots" / "a.png", size=size)
    (frame,) = ImageSequence(tmp_path / "shots").frames()
    np.testing.assert_array_equal(codes_of(frame.picture), textured(0, size=size))


def test_beginning_in_the_middle_opens_no_earlier_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = ImageSequence(folder_of(tmp_path, *(f"{index}.png" for index in range(6))))
    opened = []

    def noted(path: Path, *, pixel_format: str | None = None) -> av.VideoFrame:
        opened.append(path.stem)
        return decode_picture(path, pixel_format=pixel_format)

    monkeypatch.setattr(sequence, "decode_picture", noted)
    assert [(frame.pts, frame.name) for frame in source.frames(from_pts=4)] == [(4, "4"), (5, "5")]
    assert opened == ["4", "5"]
    for outside in (-1, 6):
        with pytest.raises(MediaError, match="none at"):
            next(source.frames(from_pts=outside))


@pytest.mark.parametrize(
    ("pattern", "files", "taken"),
    [
        ("f%04d.png", ["f0008.png", "f0009.png", "f0010.png", "f11.png", "g0011.png"], ["f0008", "f0009", "f0010"]),
        ("f%d.png", ["f9.png", "f10.png", "f011.png", "f11.png"], ["f9", "f10", "f11"]),
        ("f%2d.png", ["f08.png", "f09.png", "f10.png"], ["f08", "f09", "f10"]),
        ("100%%_%d.png", ["100%_0.png", "100%_1.png"], ["100%_0", "100%_1"]),
        ("%05d.png", ["99999.png", "100000.png"], ["99999", "100000"]),
        ("a[1]+(%d).png", ["a[1]+(3).png", "a1+3.png"], ["a[1]+(3)"]),
    ],
)
def test_patterns(tmp_path: Path, pattern: str, files: list[str], taken: list[str]) -> None:
    folder = folder_of(tmp_path, *files)
    assert names(ImageSequence(folder / pattern)) == taken


def test_a_gap_in_a_pattern_is_refused_by_name(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "f08.png", "f09.png", "f12.png")
    with pytest.raises(MediaError, match=r"f10\.png is missing: the numbers go from 9 to 12.*name the folder"):
        ImageSequence(folder / "f%02d.png")


@pytest.mark.parametrize(
    ("pattern", "words"),
    [("x%d.png", "no file matches"), ("%d_%d.png", "found 2"), ("f%d.txt", "pattern of images")],
)
def test_patterns_that_cannot_be_read(tmp_path: Path, pattern: str, words: str) -> None:
    with pytest.raises(MediaError, match=words):
        ImageSequence(folder_of(tmp_path, "f1.png") / pattern)
    with pytest.raises(MediaError, match="cannot be read"):
        ImageSequence(tmp_path / "nowhere" / "%d.png")


@given(st.text("ab%.[(", max_size=4), st.integers(0, 9), st.integers(0, 10**12), st.text("ab%_", max_size=3))
def test_a_pattern_matches_what_it_fills_in(before: str, width: int, number: int, after: str) -> None:
    pattern = f"{before.replace('%', '%%')}%0{width}d{after.replace('%', '%%')}"
    name = numbered(pattern, number)
    assert name == pattern % number  # printf's own rules, by Python
    found = matches(pattern, name)
    assert found is not None
    assert int(found[1]) == number


def test_what_is_a_sequence(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "1.png")
    assert parse_input(folder).is_sequence
    assert parse_input(folder / "%d.png").is_sequence
    assert not parse_input(folder / "1.png").is_sequence
    assert not parse_input(folder / "50%.mp4").is_sequence
    assert not parse_input(folder / "50%%d.mp4").is_sequence
    shutil.copy(folder / "1.png", folder / "a%d.png")  # a file of that name is that file
    assert not parse_input(folder / "a%d.png").is_sequence
