"""Colours: a picture that nobody changed comes back to its own codes."""

from __future__ import annotations

import av
import numpy as np
import pytest
import torch

from rife.errors import MediaError
from rife.media.colour import LAYOUTS, from_rgb, to_rgb, working_format
from support.clips import planes

BT709, BT601, BT2020 = 1, 6, 9
LIMITED, FULL = 1, 2


def noise(name: str, size: tuple[int, int] = (34, 46), matrix: int = BT709, code_range: int = LIMITED) -> av.VideoFrame:
    """Every code, in every plane: most of these colours lie outside of RGB's cube."""
    frame = av.VideoFrame(size[1], size[0], name)
    frame.colorspace, frame.color_range = matrix, code_range
    rng = np.random.default_rng(1)
    wide = LAYOUTS[name].bits > 8
    for plane in frame.planes:
        codes = np.frombuffer(memoryview(plane), "<u2" if wide else np.uint8)
        codes[:] = rng.integers(0, 2 ** LAYOUTS[name].bits, codes.shape)
    return frame


@pytest.mark.parametrize("code_range", [LIMITED, FULL])
@pytest.mark.parametrize("matrix", [BT709, BT601, BT2020, 2])
@pytest.mark.parametrize("name", [n for n in LAYOUTS if "14" not in n and "16" not in n])
def test_there_and_back_is_the_same_picture(name: str, matrix: int, code_range: int) -> None:
    frame = noise(name, matrix=matrix, code_range=code_range)
    back = from_rgb(to_rgb(frame), frame)
    assert (back.format.name, back.colorspace, back.color_range) == (name, frame.colorspace, frame.color_range)
    for a, b in zip(planes(frame), planes(back), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("size", [(33, 45), (1, 1), (2, 3), (3, 2)])
@pytest.mark.parametrize("name", ["yuv420p", "yuv422p", "yuv444p"])
def test_odd_sizes(name: str, size: tuple[int, int]) -> None:
    frame = noise(name, size)
    back = from_rgb(to_rgb(frame), frame)
    for a, b in zip(planes(frame), planes(back), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("matrix", "space"), [(BT709, "ITU709"), (BT601, "ITU601")])
@pytest.mark.parametrize("code_range", [LIMITED, FULL])
def test_colours_are_those_of_ffmpeg(matrix: int, space: str, code_range: int) -> None:
    """Flat patches, so that chroma filters play no part."""
    for luma, blue, red in ((120, 128, 128), (80, 150, 110), (200, 120, 140), (60, 100, 170), (16, 128, 128)):
        frame = av.VideoFrame(16, 16, "yuv420p")
        frame.colorspace, frame.color_range = matrix, code_range
        for plane, code in zip(frame.planes, (luma, blue, red), strict=True):
            np.frombuffer(memoryview(plane), np.uint8)[:] = code
        theirs = frame.to_ndarray(
            format="rgb24", src_colorspace=space, src_color_range="JPEG" if code_range == FULL else "MPEG"
        )
        ours = (to_rgb(frame)[0] * 255).permute(1, 2, 0).clamp(0, 255).numpy()
        np.testing.assert_allclose(ours, theirs.astype(float), atol=2.5)  # theirs works in integers


def test_black_grey_and_white() -> None:
    frame = av.VideoFrame(4, 2, "yuv444p")
    frame.color_range = LIMITED
    for plane in frame.planes:
        np.frombuffer(memoryview(plane), np.uint8)[:] = 128
    np.frombuffer(memoryview(frame.planes[0]), np.uint8).reshape(2, -1)[:, :3] = (16, 235, 126)
    rgb = to_rgb(frame)[0]
    torch.testing.assert_close(rgb[:, 0, :3], torch.tensor([0, 1, 110 / 219]).expand(3, 3), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("source", "encoder", "expected"),
    [
        ("yuv420p", ["yuv420p", "yuv444p"], "yuv420p"),
        ("yuv422p10le", ["yuv420p", "yuv422p", "yuv422p10le", "yuv444p10le"], "yuv422p10le"),
        ("yuv440p", ["yuv420p", "yuv422p", "yuv444p"], "yuv444p"),
        ("nv12", ["yuv420p", "yuv444p", "nv12"], "yuv420p"),
        ("p010le", ["yuv420p", "yuv420p10le", "yuv444p10le"], "yuv420p10le"),
        ("rgb24", ["yuv420p", "yuvj420p", "yuv444p", "gray"], "yuv420p"),
        ("bgra", ["yuv420p", "gbrp"], "yuv420p"),
        ("pal8", ["yuv420p", "yuv444p"], "yuv420p"),
        ("yuvj420p", ["yuv420p", "yuvj420p"], "yuvj420p"),
        ("gray", ["yuv420p", "gray"], "gray"),
        ("gray", ["yuv420p", "yuv444p"], "yuv420p"),
        ("yuva420p", ["yuv420p", "yuv422p"], "yuv420p"),
    ],
)
def test_the_output_keeps_the_sources_pixel_format_or_takes_the_nearest(
    source: str, encoder: list[str], expected: str
) -> None:
    assert working_format(source, encoder, size=(64, 64)) == expected


def test_an_encoder_without_a_usable_format() -> None:
    with pytest.raises(MediaError, match="takes only pal8"):
        working_format("yuv420p", ["pal8"], size=(64, 64))
