"""Colours: a picture that nobody changed comes back to its own codes, and its RGB is what others make of it."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import av
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rife.errors import MediaError
from rife.media.colour.chroma_siting import Siting
from rife.media.colour.convert import adapted, from_rgb, is_interlaced, range_tag, to_rgb
from rife.media.colour.pixel_formats import LAYOUTS, samples
from support.clips import decoded

BT709, BT601, BT2020 = 1, 6, 9
LIMITED, FULL = 1, 2
SITINGS = get_args(Siting)


def noise(name: str, size: tuple[int, int] = (34, 46), matrix: int = BT709, code_range: int = LIMITED) -> av.VideoFrame:
    """Every code, in every plane: most of these colours lie outside of RGB's cube."""
    frame = av.VideoFrame(size[1], size[0], name)
    frame.colorspace, frame.color_range = matrix, code_range
    rng = np.random.default_rng(1)
    bits = LAYOUTS[name].bits if name in LAYOUTS else 8
    for plane in frame.planes:
        codes = np.frombuffer(memoryview(plane), "<u2" if bits > 8 else np.uint8)
        codes[:] = rng.integers(0, 2**bits, codes.shape)
    return frame


def flat(name: str, codes: tuple[int, ...], *, size: tuple[int, int] = (16, 16)) -> av.VideoFrame:
    frame = av.VideoFrame(size[1], size[0], name)
    for plane, code in zip(samples(frame), codes, strict=True):
        plane[:] = code
    return frame


def assert_same(a: av.VideoFrame, b: av.VideoFrame) -> None:
    assert (a.format.name, a.colorspace, a.color_range) == (b.format.name, b.colorspace, b.color_range)
    for plane, other in zip(samples(a), samples(b), strict=True):
        np.testing.assert_array_equal(plane, other)


@pytest.mark.parametrize("code_range", [LIMITED, FULL])
@pytest.mark.parametrize("name", LAYOUTS)
def test_there_and_back_is_the_same_picture(name: str, code_range: int) -> None:
    frame = noise(name, code_range=code_range)
    assert_same(frame, from_rgb(to_rgb(frame), frame))


@pytest.mark.parametrize("matrix", range(18))
@pytest.mark.parametrize("name", ["yuv420p", "yuv444p10le", "yuv422p16le"])
def test_there_and_back_with_every_matrix(name: str, matrix: int) -> None:
    frame = noise(name, matrix=matrix)
    assert_same(frame, from_rgb(to_rgb(frame), frame))


@given(
    st.sampled_from(["yuv420p", "yuv422p", "yuv420p10le", "yuva420p"]),
    st.sampled_from(SITINGS),
    st.integers(1, 9),
    st.integers(1, 9),
)
def test_there_and_back_with_every_siting_and_odd_sizes(name: str, siting: Siting, height: int, width: int) -> None:
    frame = noise(name, (height, width))
    assert_same(frame, from_rgb(to_rgb(frame, siting=siting), frame, siting=siting))


def test_the_siting_makes_a_difference_and_has_a_usual_value() -> None:
    frame = noise("yuv420p")
    assert not torch.equal(to_rgb(frame, siting="left"), to_rgb(frame, siting="topleft"))
    assert torch.equal(to_rgb(frame), to_rgb(frame, siting="left"))
    full = noise("yuv420p", code_range=FULL)
    assert torch.equal(to_rgb(full), to_rgb(full, siting="center")), "JPEG's"


@pytest.mark.parametrize(("matrix", "space"), [(BT709, "ITU709"), (BT601, "ITU601"), (7, "SMPTE240M"), (4, "FCC")])
@pytest.mark.parametrize("code_range", [LIMITED, FULL])
def test_colours_are_those_of_ffmpeg(matrix: int, space: str, code_range: int) -> None:
    """Flat patches, so that chroma filters play no part."""
    for codes in ((120, 128, 128), (80, 150, 110), (200, 120, 140), (60, 100, 170), (16, 128, 128)):
        frame = flat("yuv420p", codes)
        frame.colorspace, frame.color_range = matrix, code_range
        theirs = frame.to_ndarray(
            format="rgb24", src_colorspace=space, src_color_range="JPEG" if code_range == FULL else "MPEG"
        )
        ours = (to_rgb(frame)[0] * 255).permute(1, 2, 0).clamp(0, 255).numpy()
        np.testing.assert_allclose(ours, theirs.astype(float), atol=2.5)  # theirs works in integers


def test_black_grey_and_white() -> None:
    frame = flat("yuv444p", (128, 128, 128), size=(2, 4))
    frame.color_range = LIMITED
    samples(frame)[0][:, :3] = (16, 235, 126)
    rgb = to_rgb(frame)[0]
    torch.testing.assert_close(rgb[:, 0, :3], torch.tensor([0, 1, 110 / 219]).expand(3, 3), atol=1e-6, rtol=0)


def test_opacity_is_the_fourth_channel_and_uses_all_codes() -> None:
    frame = flat("yuva420p", (126, 128, 128, 51))
    frame.color_range = LIMITED
    rgba = to_rgb(frame)
    assert rgba.shape == (1, 4, 16, 16)
    torch.testing.assert_close(rgba[0, :, 3, 3], torch.tensor([110 / 219, 110 / 219, 110 / 219, 0.2]))
    opaque = from_rgb(rgba[:, :3], frame)
    assert (samples(opaque)[3] == 255).all()
    plain = flat("yuv420p", (0, 0, 0))
    assert [int(plane[0, 0]) for plane in samples(from_rgb(rgba, plain))] == [126, 128, 128]


@pytest.mark.parametrize("code_range", [LIMITED, FULL])
@pytest.mark.parametrize(
    ("source", "target"),
    [("nv12", "yuv420p"), ("nv21", "yuv420p"), ("nv16", "yuv422p"), ("uyvy422", "yuv422p"), ("nv24", "yuv444p")],
)
def test_another_order_of_the_same_samples_changes_none(source: str, target: str, code_range: int) -> None:
    frame = noise(target, code_range=code_range)
    there = frame.reformat(format=source)
    there.colorspace, there.color_range = frame.colorspace, frame.color_range
    assert_same(adapted(there, target), frame)


@pytest.mark.parametrize("siting", SITINGS)
@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("yuv420p", "yuv420p10le"),
        ("yuv420p", "yuv444p12le"),
        ("yuv422p10le", "yuva444p12le"),
        ("yuv420p", "yuva420p"),
        ("yuvj420p", "yuv420p"),
        ("gray", "gray10le"),
        ("rgb24", "rgba64be"),
        ("gbrp10le", "rgb48le"),
        ("ya8", "rgba64le"),
    ],
)
def test_a_wider_format_holds_all_of_a_picture(source: str, target: str, siting: Siting) -> None:
    frame = noise(source, code_range=LIMITED if source.startswith("yuv4") else FULL)
    wide = adapted(frame, target, siting=siting)
    assert wide.format.name == target
    back = adapted(wide, source, siting=siting)
    for plane, other in zip(samples(frame), samples(back), strict=True):
        np.testing.assert_array_equal(plane, other)


def test_more_bits_of_limited_range_are_zeros_behind() -> None:
    frame = noise("yuv420p")
    wide = adapted(frame, "yuv420p10le")
    for plane, other in zip(samples(frame), samples(wide), strict=True):
        np.testing.assert_array_equal(plane.astype(int) * 4, other)
    assert wide.color_range == LIMITED


def test_a_format_of_full_range_gets_codes_of_full_range() -> None:
    frame = flat("yuv420p", (235, 240, 16))
    frame.color_range = LIMITED
    full = adapted(frame, "yuvj420p")
    assert range_tag(full) == FULL
    assert [int(plane[0, 0]) for plane in samples(full)] == [255, 255, 0]  # 255.5 has no code
    assert adapted(full, "yuv420p").color_range == FULL


@pytest.mark.parametrize("name", ["rgb24", "bgra", "gbrp", "gbrap10le", "rgb0", "pal8", "gray", "ya8", "monow"])
def test_other_families_become_yuv_as_players_read_it(name: str) -> None:
    rgb = np.zeros((8, 8, 3), np.uint8)
    rgb[:] = (200, 200, 200) if name in ("gray", "ya8") else (255, 255, 255)
    if name == "pal8":
        frame = av.VideoFrame(8, 8, "pal8")
        np.frombuffer(memoryview(frame.planes[0]), np.uint8)[:] = 7
        np.frombuffer(memoryview(frame.planes[1]), np.uint32)[7] = 0xFFFFFFFF
    else:
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=name)
    out = adapted(frame, "yuv420p")
    assert (out.colorspace, out.color_range) == (BT601, LIMITED)
    expected = 16 + 219 * int(rgb[0, 0, 0]) / 255
    assert [int(plane[1, 1]) for plane in samples(out)] == pytest.approx([expected, 128, 128], abs=1)


@pytest.mark.parametrize("name", ["pal8", "bgra", "ya8"])
def test_opacity_stays_where_the_target_has_it(name: str) -> None:
    if name == "pal8":
        frame = av.VideoFrame(8, 8, "pal8")
        np.frombuffer(memoryview(frame.planes[0]), np.uint8)[:] = 7
        np.frombuffer(memoryview(frame.planes[1]), np.uint32)[7] = 0x40FFFFFF
    else:
        pixel = np.full((8, 8, 4), (255, 255, 255, 64), np.uint8)
        frame = av.VideoFrame.from_ndarray(pixel, format="rgba").reformat(format=name)
    assert [int(plane[1, 1]) for plane in samples(adapted(frame, "yuva420p"))] == [235, 128, 128, 64]


@pytest.mark.parametrize("matrix", [BT709, BT601, BT2020, 8, 12])
def test_yuv_becomes_rgb_with_its_own_matrix(matrix: int) -> None:
    frame = noise("yuv444p10le", matrix=matrix)
    expected = (to_rgb(frame)[0].clamp(0, 1) * 65535).round()
    out = adapted(frame, "rgb48be")
    assert (out.colorspace, out.color_range) == (0, FULL)
    for plane, values in zip(samples(out), expected, strict=True):
        np.testing.assert_array_equal(plane, values.numpy())


@pytest.mark.parametrize("matrix", [10, 13, 14])
def test_colours_that_no_matrix_leads_to_are_never_written_as_rgb(matrix: int) -> None:
    frame = noise("yuv420p10le", matrix=matrix)
    with pytest.raises(MediaError, match=f"matrix {matrix} .* cannot be converted to rgb24: expected"):
        adapted(frame, "rgb24")
    assert adapted(frame, "yuv444p10le").colorspace == matrix


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("codec", "flag"), [("libx264", "x264-params"), ("mpeg2video", "flags")])
def test_interlaced_pictures_say_so(codec: str, flag: str, interlaced: bool, tmp_path: Path) -> None:
    options = {flag: "tff=1" if codec == "libx264" else "+ildct"} if interlaced else {}
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        out.mux(stream.encode(noise("yuv420p", (64, 64))))
        out.mux(stream.encode(None))
    assert [is_interlaced(picture) for picture in decoded(path)] == [interlaced]
