"""The bar for colour: on a still clip, every frame of the output is the source's, in every kind of YUV.

A blend of two equal frames is the identity, so whatever differs was done by the way to RGB and back.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import get_args

import av
import imageio_ffmpeg
import numpy as np
import pytest

from rife.interpolation.interpolator import Interpolator
from rife.media.colour.chroma_siting import Siting
from rife.media.colour.convert import from_rgb, to_rgb
from rife.media.colour.pixel_formats import LAYOUTS, samples
from rife.pipeline import interpolate_video
from support.clips import decoded, planes

MATRICES = {"bt601": (6, 6, 6), "bt709": (1, 1, 1), "bt2020": (9, 9, 16)}
"""FFmpeg's numbers for matrix, primaries and transfer (PQ for BT.2020)."""

RANGES = {"limited": 1, "full": 2}
SUBSAMPLINGS = {"420": (2, 2), "422": (2, 1), "444": (1, 1)}


@dataclass(frozen=True)
class StillClip:
    """Equal frames of colour bars above and noise below, tagged as told.

    The noise takes every code of the format, also those that its range reserves: most of these colours lie outside
    of RGB's cube.
    """

    matrix: str = "bt709"
    code_range: str = "limited"
    bits: int = 8
    subsampling: str = "420"
    siting: str = "left"
    frames: int = 2
    width: int = 48
    height: int = 32

    @property
    def pixel_format(self) -> str:
        return f"yuv{self.subsampling}p{'' if self.bits == 8 else f'{self.bits}le'}"

    def codes(self) -> list[np.ndarray]:
        across, down = SUBSAMPLINGS[self.subsampling]
        rng = np.random.default_rng(5)
        out = []
        for index, bars in enumerate(BARS[self.code_range]):
            width, height = (self.width, self.height) if index == 0 else (self.width // across, self.height // down)
            plane = rng.integers(0, 2**self.bits, (height, width))
            plane[: height // 2] = np.repeat(np.array(bars) << (self.bits - 8), width // len(bars))
            out.append(plane)
        return out

    def make(self, path: Path) -> Path:
        space, primaries, transfer = MATRICES[self.matrix]
        options = {"qp": "0", "preset": "ultrafast", "chroma_sample_location": self.siting}
        with av.open(str(path), "w") as out:
            stream = out.add_stream("libx264", rate=25, options=options)
            context = stream.codec_context
            context.width, context.height, context.pix_fmt = self.width, self.height, self.pixel_format
            context.colorspace, context.color_range = space, RANGES[self.code_range]
            context.color_primaries, context.color_trc = primaries, transfer
            context.sample_aspect_ratio = Fraction(4, 3)
            for pts in range(self.frames):
                picture = av.VideoFrame(self.width, self.height, self.pixel_format)
                picture.colorspace, picture.color_range = space, RANGES[self.code_range]
                for plane, codes in zip(picture.planes, self.codes(), strict=True):
                    dtype = np.dtype(np.uint8 if self.bits == 8 else "<u2")
                    lines = np.frombuffer(memoryview(plane), dtype).reshape(plane.height, -1)
                    lines[:, : plane.width] = codes
                picture.pts = pts
                out.mux(stream.encode(picture))
            out.mux(stream.encode(None))
        return path


# White, yellow, cyan, green, magenta, red, blue, black at 75%, as codes of 8 bits (BT.709; any matrix has such codes).
BARS = {
    "limited": (
        (180, 168, 145, 133, 63, 51, 28, 16),
        (128, 44, 147, 63, 193, 109, 212, 128),
        (128, 136, 44, 52, 204, 212, 120, 128),
    ),
    "full": (
        (191, 177, 150, 137, 54, 41, 14, 0),
        (128, 32, 150, 54, 202, 106, 224, 128),
        (128, 138, 32, 41, 215, 224, 118, 128),
    ),
}


def ffmpeg_tags(path: Path) -> dict[str, str]:
    """What an FFmpeg that is not PyAV's says of the picture track."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "verbose", "-hide_banner", "-i", str(path)]
    text = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    line = next(line for line in text.splitlines() if re.match(r"  Stream #0:\d.*Video:", line))
    colours = re.search(r"(yuv\w+)\((.*?)\), ", line)
    aspect = re.search(r"SAR (\d+:\d+)", line)
    assert colours, line
    assert aspect, line
    return {"format": colours[1], "colours": colours[2], "aspect": aspect[1]}


@pytest.mark.slow
@pytest.mark.usefixtures("as_if_moving")
@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("code_range", RANGES)
@pytest.mark.parametrize("matrix", MATRICES)
def test_a_still_clip_stays_as_it_is(
    matrix: str, code_range: str, bits: int, subsampling: str, tmp_path: Path, blender: Interpolator
) -> None:
    clip = StillClip(matrix, code_range, bits, subsampling)
    source = clip.make(tmp_path / "still.mkv")
    made = interpolate_video(source, tmp_path / "out.mkv", interpolator=blender, crf=0)

    assert made.notes == ()
    frames = [planes(frame) for frame in decoded(made.path)]
    assert len(frames) == 2 * clip.frames
    for index, frame in enumerate(frames):
        for codes, expected in zip(frame, clip.codes(), strict=True):
            off = codes.astype(int) - expected
            if index % 2 == 0:
                assert not off.any(), "a source frame is bit-exact"
            assert np.abs(off).max() <= 1
            assert abs(off.mean()) <= 0.1

    before, after = decoded(source)[0], decoded(made.path)[1]
    assert (before.colorspace, before.color_primaries, before.color_trc) == MATRICES[matrix], "the clip has its tags"
    assert before.color_range == RANGES[code_range]
    for tag in ("colorspace", "color_primaries", "color_trc", "color_range"):
        assert getattr(after, tag) == getattr(before, tag), tag
    assert ffmpeg_tags(made.path) == ffmpeg_tags(source)
    assert ffmpeg_tags(source)["aspect"] == "4:3"


@pytest.mark.parametrize("siting", get_args(Siting))
@pytest.mark.parametrize(
    "name",
    ["yuv420p", "yuv420p10le", "yuv422p10le", "yuva420p", "yuva422p10le", "yuva444p12le", "gbrap", "rgba", "ya8"],
)
def test_a_frame_made_of_two_equal_ones_is_the_same(name: str, siting: Siting, blender: Interpolator) -> None:
    """What no clip can hold here yet: every siting, opacity, formats without luma."""
    picture = av.VideoFrame(47, 33, name)
    picture.colorspace, picture.color_range = 9, 1
    rng = np.random.default_rng(5)
    for codes in samples(picture):
        codes[:] = rng.integers(0, 2 ** LAYOUTS[name].bits, codes.shape)
    prepared = blender.prepare(to_rgb(picture, siting=siting))
    made = from_rgb(next(blender.between(prepared, prepared, [Fraction(1, 3)])), picture, siting=siting)
    for codes, expected in zip(samples(made), samples(picture), strict=True):
        off = codes.astype(int) - expected
        assert np.abs(off).max() <= 1
        assert abs(off.mean()) <= 0.1
