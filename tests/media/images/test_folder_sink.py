"""Folders of pictures as outputs: to the bit, whole or not at all, and in the right order."""

from __future__ import annotations

import itertools
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest
import tifffile
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from rife.errors import JobError, MediaError
from rife.media.images.folder_sink import FILE_KINDS, made_name
from rife.media.images.image_file import decode_picture
from rife.media.images.sequence import ImageSequence, natural_key
from rife.media.open_sink import sink_for
from rife.media.paths import parse_output
from rife.media.sink import PictureSpec, lossy_quality
from rife.options import ImageFormat
from support.clips import planes
from support.pictures import codes_of, planar_picture, random_codes, textured


def spec_of(picture: av.VideoFrame, crf: int = 16) -> PictureSpec:
    return PictureSpec(picture.width, picture.height, picture.format.name, Fraction(25), Fraction(1, 50), crf=crf)


def write(
    target: Path,
    pictures: list[av.VideoFrame],
    *,
    crf: int = 16,
    names: list[str | None] | None = None,
    overwrite: bool = False,
    image_format: ImageFormat = "png",
) -> list[str]:
    """Fill a folder; returns the notes."""
    spec = spec_of(pictures[0], crf)
    with sink_for(parse_output(target), spec, overwrite=overwrite, image_format=image_format) as sink:
        for index, picture in enumerate(pictures):
            sink.write(picture, pts=2 * index, duration=2, name=names[index] if names else None)
        sink.finish()
    assert sink.frames_written == len(pictures)
    return sink.notes


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("image_format", ["png", "tiff"])
def test_every_code_is_kept(tmp_path: Path, image_format: ImageFormat, channels: int, deep: bool) -> None:
    shape = (33, 47) if channels == 1 else (33, 47, channels)
    codes = [random_codes(shape, deep=deep, seed=seed) for seed in range(3)]
    write(tmp_path / "out", [planar_picture(code) for code in codes], image_format=image_format)
    source = ImageSequence(tmp_path / "out")
    for path, frame, expected in zip(source.files, source.frames(), codes, strict=True):
        np.testing.assert_array_equal(codes_of(frame.picture), expected)
        if image_format == "tiff":
            np.testing.assert_array_equal(tifffile.imread(path), expected)
        elif not deep or channels == 1:  # Pillow reads no deep colours
            np.testing.assert_array_equal(np.array(Image.open(path)), expected)
    assert listed(tmp_path) == ["out"]


@pytest.mark.parametrize("name", ["rgb24", "rgba", "gray", "rgb48be", "rgba64be", "gray16be"])
def test_a_png_of_another_program_goes_through_to_the_bit(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error"]
    noise = "nullsrc=size=47x33:rate=25:duration=0.12,format=rgba64,geq=r='random(1)*65535':g='random(2)*65535'"
    made = f"{noise}:b='random(3)*65535':a='random(4)*65535',format={name}"
    subprocess.run([*ffmpeg, "-f", "lavfi", "-i", made, str(tmp_path / "in" / "s%02d.png")], check=True)
    frames = list(ImageSequence(tmp_path / "in").frames())
    write(tmp_path / "out", [frame.picture for frame in frames], names=[frame.name for frame in frames])
    raw = []
    for folder in ("in", "out"):
        command = [*ffmpeg, "-i", str(tmp_path / folder / "s%02d.png"), "-f", "rawvideo", "-pix_fmt", name, "-"]
        raw.append(subprocess.run(command, check=True, capture_output=True).stdout)
        with av.open(str(tmp_path / folder / "s01.png")) as container:
            assert container.streams.video[0].codec_context.pix_fmt == name
    assert raw[0] == raw[1]
    assert len(set(raw[0])) > 200


def test_deep_png_is_deep_to_others_too(tmp_path: Path) -> None:
    codes = random_codes((33, 47, 3), deep=True)
    write(tmp_path / "out", [planar_picture(codes)])
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(tmp_path / "out" / "000001.png")]
    raw = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "rgb48le", "-"], check=True, capture_output=True)
    np.testing.assert_array_equal(np.frombuffer(raw.stdout, "<u2").reshape(codes.shape), codes)


@pytest.mark.parametrize("deep", [False, True])
def test_grey_of_video_is_black_and_white_in_a_picture_file(tmp_path: Path, deep: bool) -> None:
    unit, dtype = (256, np.uint16) if deep else (1, np.uint8)
    picture = planar_picture(np.tile(np.array([16, 126, 235], dtype) * dtype(unit), (4, 1)))
    picture.color_range = 1
    write(tmp_path / "out", [picture])
    read = np.array(Image.open(tmp_path / "out" / "000001.png"))[0].astype(int)
    assert read.tolist() == ([0, round(110 / 219 * 65535), 65535] if deep else [0, 128, 255])


@pytest.mark.parametrize("channels", [3, 4])
def test_lossless_webp(tmp_path: Path, channels: int) -> None:
    codes = textured(3, channels=channels)
    write(tmp_path / "out", [planar_picture(codes)], crf=0, image_format="webp")
    read = np.array(Image.open(tmp_path / "out" / "000001.webp"))
    visible = np.ones(codes.shape[:2], bool) if channels == 3 else codes[..., 3] > 0
    np.testing.assert_array_equal(read[visible], codes[visible])
    if channels == 4:
        np.testing.assert_array_equal(read[..., 3], codes[..., 3])


@pytest.mark.parametrize("image_format", ["jpg", "webp"])
def test_quality_follows_the_crf(tmp_path: Path, image_format: ImageFormat) -> None:
    codes = textured(3, size=(320, 240))
    sizes, errors = [], []
    for crf in (2, 16, 30, 51):
        write(tmp_path / str(crf), [planar_picture(codes)], crf=crf, image_format=image_format)
        (path,) = (tmp_path / str(crf)).iterdir()
        sizes.append(path.stat().st_size)
        errors.append(np.abs(np.array(Image.open(path).convert("RGB")).astype(int) - codes).mean())
    assert sizes == sorted(sizes, reverse=True)
    assert errors == sorted(errors)
    assert errors[0] < 4


def test_the_scale_of_quality_falls_from_100_to_1() -> None:
    qualities = [lossy_quality(crf) for crf in range(52)]
    assert (qualities[0], qualities[16], qualities[28], qualities[51]) == (100, 90, 70, 1)
    assert qualities == sorted(qualities, reverse=True)


@pytest.mark.parametrize("name", ["yuvj420p", "yuvj422p", "yuvj444p", "gbrp"])
@pytest.mark.parametrize("matrix", [1, 5, 9])
def test_jpegs_have_the_right_colours_whatever_the_matrix(tmp_path: Path, name: str, matrix: int) -> None:
    y, x = np.mgrid[0:64, 0:96]
    smooth = np.stack((x * 2, y * 3, 255 - x * 2), -1).astype(np.uint8)
    picture = planar_picture(smooth)
    if name != "gbrp":
        picture = picture.reformat(format=name, dst_colorspace=matrix, dst_color_range=2)
        picture.colorspace, picture.color_range = matrix, 2
    write(tmp_path / "out", [picture], crf=0, image_format="jpg")
    read = np.array(Image.open(tmp_path / "out" / "000001.jpg")).astype(int)
    assert np.percentile(np.abs(read - smooth), 99) <= 8


def test_a_jpeg_goes_through_with_its_own_matrix(tmp_path: Path) -> None:
    Image.fromarray(textured(0)).save(tmp_path / "a.jpg", quality=60)
    picture = decode_picture(tmp_path / "a.jpg")
    write(tmp_path / "out", [picture], crf=0, image_format="jpg")
    again = decode_picture(tmp_path / "out" / "000001.jpg")
    assert again.format.name == picture.format.name
    for a, b in zip(planes(picture), planes(again), strict=True):
        assert np.abs(a.astype(int) - b).max() <= 5


def pictures(count: int) -> list[av.VideoFrame]:
    return [planar_picture(textured(index, size=(8, 6))) for index in range(count)]


def test_numbers_where_there_are_no_names(tmp_path: Path) -> None:
    write(tmp_path / "out", pictures(3))
    assert listed(tmp_path / "out") == ["000001.png", "000002.png", "000003.png"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("f_%03d.png", ["f_001.png", "f_002.png"]),
        ("%d%%.tif", ["1%.tif", "2%.tif"]),
        ("%05d.JPG", ["00001.JPG", "00002.JPG"]),
        ("a%d.jpeg", ["a1.jpeg", "a2.jpeg"]),
    ],
)
def test_patterns_number_as_they_say_whatever_the_names(tmp_path: Path, pattern: str, names: list[str]) -> None:
    (tmp_path / "neighbour.txt").write_text("stays")
    assert write(tmp_path / pattern, pictures(2), names=["a", None]) == []
    assert listed(tmp_path) == sorted([*names, "neighbour.txt"])
    assert len(ImageSequence(tmp_path / pattern).files) == 2


def test_a_pattern_makes_its_folder(tmp_path: Path) -> None:
    write(tmp_path / "out" / "%02d.png", pictures(2))
    assert listed(tmp_path / "out") == ["01.png", "02.png"]


def test_source_pictures_keep_their_names(tmp_path: Path) -> None:
    write(tmp_path / "out", pictures(6), names=["shot_0010", None, None, "shot_0011", None, None])
    expected = ["shot_0010", "shot_0010.x001", "shot_0010.x002", "shot_0011", "shot_0011.x001", "shot_0011.x002"]
    assert listed(tmp_path / "out") == [f"{name}.png" for name in expected]
    assert [frame.name for frame in ImageSequence(tmp_path / "out").frames()] == expected


NAMES = st.text("ab1290_-. zéx%", min_size=1, max_size=6).filter(lambda name: not name.startswith("."))
ENDINGS = st.sampled_from(sorted(kind.ending for kind in FILE_KINDS.values()))


def goes_on_with_a_dot(names: list[str]) -> bool:
    """The case that is given up: NAME and NAME.something as two source pictures."""
    return any(a != b and b.startswith(a + ".") for a, b in itertools.permutations(names, 2))


@given(st.lists(NAMES, min_size=1, max_size=6, unique=True), st.integers(1, 70), ENDINGS, st.integers(1, 3))
def test_new_pictures_sort_right_after_their_own(names: list[str], made: int, ending: str, generations: int) -> None:
    assume(not goes_on_with_a_dot(names))
    for order in (natural_key, str):
        ordered = sorted(names, key=lambda name: order(name + ending))
        for _ in range(generations):  # what was made is a source the next time
            ordered = [
                new
                for name, following in itertools.zip_longest(ordered, ordered[1:])
                for new in (name, *(made_name(name, i, following=following) for i in range(1, made + 1)))
            ]
            made = min(made, 3)
        files = [name + ending for name in ordered]
        assert files == sorted(files, key=order)
        assert len(set(files)) == len(files)


def test_names_that_cannot_sort_right_are_noted(tmp_path: Path) -> None:
    (note,) = write(tmp_path / "out", pictures(3), names=["b", None, "a"])
    assert "a.png" in note


def test_two_pictures_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"name a\.png"):
        write(tmp_path / "out", pictures(2), names=["a", "a"])
    assert listed(tmp_path) == []


def test_nothing_appears_before_the_end_nor_after_a_failure(tmp_path: Path) -> None:
    first = pictures(1)[0]
    with sink_for(parse_output(tmp_path / "out"), spec_of(first)) as sink:
        sink.write(first, pts=0, duration=1, name=None)
        assert not (tmp_path / "out").exists()
        with pytest.raises(MediaError, match=r"8x6 in gbrp, got 9x6"):
            sink.write(planar_picture(textured(0, size=(9, 6))), pts=1, duration=1, name=None)
    assert listed(tmp_path) == []


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    before = (tmp_path / "out").stat().st_ino
    assert write(tmp_path / "out", pictures(2)) == []
    assert listed(tmp_path / "out") == ["000001.png", "000002.png"]
    assert (tmp_path / "out").stat().st_ino == before  # someone may stand in it


def test_a_full_folder_is_refused_or_written_into_and_nothing_else_is_touched(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    (folder / "000001.png").write_bytes(b"old")
    (folder / "000009.png").write_bytes(b"old")
    with pytest.raises(JobError, match=r"holds 000001\.png"):
        write(folder, pictures(2))
    (note,) = write(folder, pictures(2), overwrite=True)
    assert "2 older files" in note
    assert listed(folder) == ["000001.png", "000002.png", "000009.png", "notes.txt"]
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "000009.png").read_bytes() == b"old"
    assert decode_picture(folder / "000001.png").width == 8


def test_a_pattern_is_refused_by_its_own_files_only(tmp_path: Path) -> None:
    (tmp_path / "f_10x.png").write_bytes(b"other")
    write(tmp_path / "f_%02d.png", pictures(2))
    with pytest.raises(JobError, match=r"holds f_01\.png"):
        write(tmp_path / "f_%02d.png", pictures(1))
    write(tmp_path / "f_%02d.png", pictures(1), overwrite=True)
    assert listed(tmp_path) == ["f_01.png", "f_02.png", "f_10x.png"]


def test_a_folder_that_fills_meanwhile_is_left_alone(tmp_path: Path) -> None:
    first = pictures(1)[0]
    with sink_for(parse_output(tmp_path / "out"), spec_of(first)) as sink:
        sink.write(first, pts=0, duration=1, name=None)
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "a.png").write_bytes(b"theirs")
        with pytest.raises(JobError, match=r"holds a\.png"):
            sink.finish()
    assert listed(tmp_path) == ["out"]
    assert listed(tmp_path / "out") == ["a.png"]


def test_an_incomplete_output_goes_under_another_name(tmp_path: Path) -> None:
    first = pictures(1)[0]
    with sink_for(parse_output(tmp_path / "out").partial, spec_of(first)) as sink:
        sink.write(first, pts=0, duration=1, name="a")
        sink.finish()
    assert listed(tmp_path) == ["out-partial"]
    assert listed(tmp_path / "out-partial") == ["a.png"]


def test_a_rate_that_varies_is_noted(tmp_path: Path) -> None:
    first = pictures(1)[0]
    with sink_for(parse_output(tmp_path / "out"), spec_of(first)) as sink:
        sink.write(first, pts=0, duration=1, name=None)
        sink.write(first, pts=1, duration=2, name=None)
        sink.finish()
    assert "no times" in sink.notes[0]


def test_places_that_cannot_be(tmp_path: Path) -> None:
    spec = spec_of(pictures(1)[0])
    (tmp_path / "file").write_text("x")
    with pytest.raises(JobError, match="expected a folder"):
        sink_for(parse_output(tmp_path / "file"), spec)
    with pytest.raises(JobError, match="Create it first"):
        sink_for(parse_output(tmp_path / "no" / "where"), spec)
    with pytest.raises(JobError, match="one number conversion"):
        sink_for(parse_output(tmp_path / "%d_%d.png"), spec)
