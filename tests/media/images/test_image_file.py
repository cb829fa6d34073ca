"""One picture file: against Pillow and tifffile, which share no code with the decoders."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, Literal

import imageio_ffmpeg
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from rife.errors import MediaError
from rife.media.colour.interleave import plain
from rife.media.images.image_file import PictureFacts, decode_picture, picture_facts, richest
from support.clips import planes
from support.pictures import codes_of, planar_picture, random_codes

SHAPE = (33, 47)


def pillow(mode: str) -> Image.Image:
    rgba = Image.fromarray(random_codes((*SHAPE, 4)))
    if mode == "P":
        return rgba.convert("RGB").quantize(16)
    return rgba.convert(mode)


@pytest.mark.parametrize(
    ("name", "mode", "how", "pixel_format"),
    [
        ("a.png", "RGB", {}, "gbrp"),
        ("a.png", "RGBA", {}, "gbrap"),
        ("a.png", "L", {}, "gray"),
        ("a.png", "LA", {}, "gbrap"),
        ("a.png", "P", {}, "gbrp"),
        ("a.png", "P", {"transparency": 3}, "gbrap"),
        ("a.png", "1", {}, "gray"),
        ("a.bmp", "RGB", {}, "gbrp"),
        ("a.bmp", "L", {}, "gbrp"),
        ("a.tiff", "RGB", {"compression": "tiff_lzw"}, "gbrp"),
        ("a.tiff", "RGBA", {"compression": "tiff_adobe_deflate"}, "gbrap"),
        ("a.tif", "L", {}, "gray"),
        ("a.tiff", "1", {}, "gray"),
        ("a.webp", "RGB", {"lossless": True}, "gbrp"),
        ("a.webp", "RGBA", {"lossless": True, "exact": True}, "gbrap"),
    ],
)
def test_eight_bits_are_read_to_the_bit(
    tmp_path: Path, name: str, mode: str, how: dict[str, Any], pixel_format: str
) -> None:
    path = tmp_path / name
    pillow(mode).save(path, **how)
    assert picture_facts(path) == PictureFacts(SHAPE[1], SHAPE[0], pixel_format)
    mode_there = {"gray": "L", "gbrp": "RGB", "gbrap": "RGBA"}[pixel_format]
    np.testing.assert_array_equal(codes_of(decode_picture(path)), np.array(Image.open(path).convert(mode_there)))


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("order", ["<", ">"])
def test_sixteen_bits_of_tiff_are_read_to_the_bit(tmp_path: Path, channels: int, order: Literal["<", ">"]) -> None:
    codes = random_codes(SHAPE if channels == 1 else (*SHAPE, channels), deep=True)
    how: dict[str, Any] = {"photometric": "minisblack" if channels == 1 else "rgb"}
    if channels == 4:
        how["extrasamples"] = [2]
    tifffile.imwrite(tmp_path / "a.tif", codes, byteorder=order, **how)
    np.testing.assert_array_equal(codes_of(decode_picture(tmp_path / "a.tif")), codes)


def test_sixteen_bits_of_grey_png_are_read_to_the_bit(tmp_path: Path) -> None:
    codes = random_codes(SHAPE, deep=True)
    Image.fromarray(codes).save(tmp_path / "a.png")
    np.testing.assert_array_equal(codes_of(decode_picture(tmp_path / "a.png")), codes)


@pytest.mark.parametrize(("subsampling", "name"), [(0, "yuvj444p"), (1, "yuvj422p"), (2, "yuvj420p")])
def test_a_jpeg_keeps_its_codes_matrix_and_range(tmp_path: Path, subsampling: int, name: str) -> None:
    smooth = Image.fromarray(np.moveaxis(np.mgrid[0:33, 0:47], 0, -1)[..., [0, 1, 0]].astype(np.uint8) * 5)
    smooth.save(tmp_path / "a.jpg", quality=95, subsampling=subsampling)
    picture = decode_picture(tmp_path / "a.jpg")
    assert (picture.format.name, picture.colorspace, picture.color_range) == (name, 5, 2)
    error = np.abs(codes_of(plain(picture, "gbrp")).astype(int) - np.array(Image.open(tmp_path / "a.jpg")))
    assert np.median(error) <= 2


def test_cmyk_becomes_rgb_without_an_alpha_that_nobody_wrote(tmp_path: Path) -> None:
    pillow("CMYK").save(tmp_path / "a.jpg", quality=95)
    assert decode_picture(tmp_path / "a.jpg").format.name == "gbrp"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tiff"])
def test_pictures_are_turned_as_exif_says(tmp_path: Path, orientation: int, name: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    how: dict[str, Any] = {"lossless": True} if name == "a.webp" else {}
    pillow("RGB").save(tmp_path / name, exif=exif, **how)
    expected = np.array(ImageOps.exif_transpose(Image.open(tmp_path / name)).convert("RGB"))
    picture = decode_picture(tmp_path / name)
    np.testing.assert_array_equal(codes_of(picture), expected)
    facts = picture_facts(tmp_path / name)
    assert (facts.width, facts.height) == (picture.width, picture.height) == expected.shape[1::-1]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(48, 32), (47, 33)])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_turned_jpegs_of_every_subsampling(
    tmp_path: Path, orientation: int, size: tuple[int, int], subsampling: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    smooth = np.stack((x * 5, y * 7, (x + y) * 3), -1).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "a.jpg", quality=98, subsampling=subsampling, exif=exif)
    expected = np.array(ImageOps.exif_transpose(Image.open(tmp_path / "a.jpg")))
    picture = decode_picture(tmp_path / "a.jpg")
    assert picture.format.name == picture_facts(tmp_path / "a.jpg").pixel_format
    error = np.abs(codes_of(plain(picture, "gbrp")).astype(int) - expected)
    assert error.shape == expected.shape
    assert np.percentile(error, 98) <= 6
    assert not list(picture.side_data)  # a writer must not turn it once more


def test_linear_light_gets_the_curve_of_srgb(tmp_path: Path) -> None:
    ramp = np.linspace(0, 1, 64, dtype=np.float32)
    raw = np.tile(ramp, (3, 16, 1)).astype("<f4").tobytes()
    command = ["-f", "rawvideo", "-pix_fmt", "gbrpf32le", "-s", "64x16", "-i", "-", "-y", str(tmp_path / "a.exr")]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *command], input=raw, check=True)
    codes = codes_of(decode_picture(tmp_path / "a.exr"))
    assert codes.dtype == np.uint16
    from skimage.color import xyz2rgb
    from skimage.color.colorconv import rgb_from_xyz

    linear = np.tile(ramp[None, :, None], (16, 1, 3)).astype(np.float64)
    expected = xyz2rgb(linear @ np.linalg.inv(rgb_from_xyz).T) * 65535
    # the decoder keeps 16 bits of every half float, the matrix of the reference a few less
    assert np.abs(codes - expected).max() < 40


def every_kind(folder: Path) -> list[Path]:
    codes = random_codes((*SHAPE, 3))
    paths = []
    for name, how in (
        ("a.png", {}),
        ("a.jpg", {}),
        ("progressive.jpg", {"progressive": True}),
        ("a.webp", {}),
        ("lossless.webp", {"lossless": True}),
        ("a.tiff", {"compression": "tiff_lzw"}),
        ("a.bmp", {}),
    ):
        Image.fromarray(codes).save(folder / name, **how)
        paths.append(folder / name)
    command = ["-y", "-i", str(folder / "a.png"), "-pix_fmt", "gbrpf32le", str(folder / "a.exr")]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *command], check=True)
    return [*paths, folder / "a.exr"]


def test_no_truncated_file_passes_for_a_picture(tmp_path: Path) -> None:
    for path in every_kind(tmp_path):
        data = path.read_bytes()
        assert decode_picture(path).width == SHAPE[1]
        for cut in range(0, len(data) - 2, max(1, len(data) // 40)):
            part = tmp_path / f"cut{path.suffix}"
            part.write_bytes(data[:cut])
            with pytest.raises(MediaError, match=str(part)):
                decode_picture(part)


def test_what_cameras_put_behind_a_jpeg_does_no_harm(tmp_path: Path) -> None:
    Image.fromarray(random_codes((*SHAPE, 3))).save(tmp_path / "a.jpg")
    with (tmp_path / "a.jpg").open("ab") as file:
        file.write(b"\xff\xda a film, or a smaller picture" * 9)
    assert decode_picture(tmp_path / "a.jpg").width == SHAPE[1]


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "empty"), (b"hello, I am a text", "another format"), (b"\x89PNG\r\n\x1a\nrest", "truncated")],
)
def test_what_is_no_picture_is_refused_by_name(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "b.png"
    path.write_bytes(content)
    for look in (picture_facts, decode_picture):
        with pytest.raises(MediaError, match=words) as refused:
            look(path)
        assert str(path) in str(refused.value)


@pytest.mark.parametrize("magic", [b"II*\0", b"MM\0*", b"v/1\x01", b"\xff\xd8\xff", b"BM", b"RIFF\0\0\0\0WEBP"])
def test_noise_behind_a_good_beginning_is_refused(tmp_path: Path, magic: bytes) -> None:
    path = tmp_path / "b.png"
    for seed in range(30):
        noise = random_codes((7 * seed,), seed=seed).tobytes()
        path.write_bytes(magic + noise)
        with pytest.raises(MediaError):
            picture_facts(path)
        with pytest.raises(MediaError):
            decode_picture(path)


def test_kinds_are_told_by_content_and_names_are_no_patterns(tmp_path: Path) -> None:
    path = tmp_path / "100%d [a-b]:{c}*.png"
    Image.fromarray(random_codes((*SHAPE, 3))).save(path, format="JPEG")
    assert decode_picture(path).format.name == "yuvj420p"


def test_a_header_is_enough_for_the_facts(tmp_path: Path) -> None:
    # 300 kB of noise, of which the facts must not need more than the beginning
    path = tmp_path / "big.png"
    Image.fromarray(random_codes((320, 320, 3))).save(path)
    path.write_bytes(path.read_bytes()[:70000])
    assert picture_facts(path) == PictureFacts(320, 320, "gbrp")
    with pytest.raises(MediaError):
        decode_picture(path)


@pytest.mark.parametrize(
    ("formats", "expected"),
    [
        ({"gray", "gbrp"}, "gbrp"),
        ({"gray", "gray16le"}, "gray16le"),
        ({"gray16le", "gbrp"}, "gbrp16le"),
        ({"gray", "gbrap"}, "gbrap"),
        ({"gbrap", "gbrp16le"}, "gbrap16le"),
        ({"yuvj420p"}, "yuvj420p"),
        ({"yuvj420p", "yuvj444p"}, "gbrp"),
        ({"yuvj420p", "gray"}, "gbrp"),
        ({"yuv420p", "yuva420p"}, "gbrap"),
    ],
)
def test_the_richest_of_mixed_formats(formats: set[str], expected: str) -> None:
    assert richest(formats) == expected


def test_the_way_to_a_richer_format_keeps_every_code() -> None:
    grey = random_codes(SHAPE)
    as_rgb = codes_of(plain(planar_picture(grey), "gbrap16le"))
    np.testing.assert_array_equal(as_rgb[..., :3], np.repeat(grey[..., None], 3, -1).astype(np.uint16) * 257)
    assert (as_rgb[..., 3] == 65535).all()


def test_a_picture_that_needs_no_change_has_its_own_planes(tmp_path: Path) -> None:
    Image.fromarray(random_codes((*SHAPE, 3))).save(tmp_path / "a.webp", quality=50)
    first, again = decode_picture(tmp_path / "a.webp"), decode_picture(tmp_path / "a.webp", pixel_format="yuv420p")
    assert first.format.name == "yuv420p"
    for a, b in zip(planes(first), planes(again), strict=True):
        np.testing.assert_array_equal(a, b)
