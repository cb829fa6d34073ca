"""Where chroma lies: read from files, and honoured by filters that undo each other."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import get_args

import av
import imageio_ffmpeg
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rife.media.colour.chroma_siting import Siting, enlarged, read_siting, reduced, siting_options

SITINGS = get_args(Siting)
SIDES = st.integers(1, 9)


@given(st.sampled_from(SITINGS), SIDES, SIDES, st.booleans(), st.booleans(), st.integers(0, 2**32))
def test_filters_undo_each_other(
    siting: Siting, height: int, width: int, half_height: bool, half_width: bool, seed: int
) -> None:
    small = (-(-height // 2) if half_height else height, -(-width // 2) if half_width else width)
    chroma = torch.rand(2, *small, generator=torch.Generator().manual_seed(seed))
    large = enlarged(chroma, siting, (height, width))
    assert large.shape == (2, height, width)
    back = reduced(large, siting, half_height=half_height, half_width=half_width)
    torch.testing.assert_close(back, chroma, atol=2e-6, rtol=0)


# Where the first chroma sample lies, in luma samples, as ITU-T H.273 has it: (x, y).
PLACES = {
    "left": (0, 0.5),
    "center": (0.5, 0.5),
    "topleft": (0, 0),
    "top": (0.5, 0),
    "bottomleft": (0, 1),
    "bottom": (0.5, 1),
}


@pytest.mark.parametrize("siting", SITINGS)
def test_a_slope_keeps_its_place(siting: Siting) -> None:
    """Chroma that grows evenly across the picture grows evenly among luma samples too, borders apart."""
    (x0, y0), (height, width) = PLACES[siting], (8, 10)
    y, x = torch.meshgrid(torch.arange(height / 2) * 2 + y0, torch.arange(width / 2) * 2 + x0, indexing="ij")
    large = enlarged((100 * y + x)[None], siting, (height, width))[0]
    y, x = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    torch.testing.assert_close(large[1:-1, 1:-1], (100 * y + x)[1:-1, 1:-1])


def clip(path: Path, siting: Siting | None, *, codec: str, tracks: int = 1) -> Path:
    with av.open(str(path), "w") as out:
        # Metadata that looks like what is searched for.
        out.metadata["title"] = "  Stream #0:0: Video: fake, yuv420p(top), 16x16"
        streams = [out.add_stream(codec, rate=25, options=siting_options(siting, "yuv420p")) for _ in range(tracks)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for stream in streams:
            picture = av.VideoFrame(64, 48, "yuv420p")
            picture.pts = 0
            out.mux(stream.encode(picture))
            out.mux(stream.encode(None))
    return path


def siting_of(path: Path) -> Siting | None:
    with av.open(str(path)) as container:
        return read_siting(container, container.streams.video[-1])


@pytest.mark.parametrize(
    ("siting", "codec", "suffix"),
    # Matroska has words for three of them only.
    [(s, "libx264", ".mp4") for s in SITINGS] + [(s, "ffv1", ".mkv") for s in ("left", "center", "topleft")],
)
def test_the_siting_of_a_file(siting: Siting, codec: str, suffix: str, tmp_path: Path) -> None:
    path = clip(tmp_path / f"clip{suffix}", siting, codec=codec)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "verbose", "-hide_banner", "-i", str(path)]
    theirs = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    assert re.search(rf"Video: .*[(, ]{siting}\), 64x48", theirs)
    assert siting_of(path) == siting


def test_a_file_that_tells_none(tmp_path: Path) -> None:
    assert siting_of(clip(tmp_path / "clip.mkv", None, codec="ffv1")) is None


def test_the_siting_is_that_of_the_track_that_was_asked_for(tmp_path: Path) -> None:
    path = clip(tmp_path / "clip.mkv", "topleft", codec="libx264", tracks=2)
    assert siting_of(path) == "topleft"


def test_reading_the_siting_leaves_the_log_as_it_was(tmp_path: Path) -> None:
    path = clip(tmp_path / "clip.mp4", "center", codec="libx264")
    level = av.logging.get_level()
    assert siting_of(path) == "center"
    assert av.logging.get_level() == level


def test_only_subsampled_chroma_has_a_siting() -> None:
    assert siting_options("topleft", "yuv444p10le") == siting_options("topleft", "gbrp") == {}
    assert siting_options(None, "yuv420p") == {}
