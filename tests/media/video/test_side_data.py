"""Side data of pictures, also of kinds that PyAV has no name for."""

from __future__ import annotations

import io
import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from rife import interpolate_video
from rife.interpolation.interpolator import Interpolator
from rife.media.video.hdr import read_static_hdr
from rife.media.video.side_data import display_matrix_of, has_other_view, side_data
from support.clips import Clip, decoded

_VPS, _ORIENTATION = 32, 0x0112
_TWO_LAYERS = (
    "40010c11ffff016000000300b0000003000003003c15c15b3c200028245970602000000bf800000300000303c8d00a00080a01e5c52bf708"
    "501010100080"
)
"""A video parameter set that announces a second layer, the view of the other eye (ITU-T H.265, annexes F and G)."""


def exif_video(path: Path, *, orientation: int = 1) -> Path:
    """Motion JPEG whose pictures carry EXIF data."""
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        for index in range(4):
            data = io.BytesIO()
            Image.fromarray(Clip().picture(index)).save(data, "JPEG", exif=exif.tobytes())
            packet = av.Packet(data.getvalue())
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 10), True
            packet.pts = packet.dts = index
            packet.duration = 1
            file.mux(packet)
    return path


def exif_animation(path: Path) -> Path:
    """An animated PNG with an eXIf chunk."""
    exif = Image.Exif()
    exif[_ORIENTATION] = 1
    first, *others = (Image.fromarray(Clip().picture(index)) for index in range(4))
    first.save(path, "PNG", save_all=True, append_images=others, duration=100, exif=exif.tobytes())
    return path


def two_views(path: Path) -> Path:
    """H.265 whose video parameter set announces a second view, which the decoder leaves out."""
    coded = io.BytesIO()
    with av.open(coded, "w", format="hevc") as file:
        options = {"x265-params": "log-level=none:repeat-headers=1"}
        stream = file.add_stream("libx265", rate=10, options=options)
        stream.width, stream.height, stream.pix_fmt = 128, 128, "yuv420p"
        for index in range(4):
            rgb = Clip(width=128, height=128).picture(index)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")))
        file.mux(stream.encode())
    units = re.split(rb"\0\0\0?\x01", coded.getvalue())[1:]
    two = bytes.fromhex(_TWO_LAYERS)
    path.write_bytes(b"".join(b"\0\0\0\1" + (two if unit[0] >> 1 == _VPS else unit) for unit in units))
    return path


def test_a_kind_without_a_name_hides_none_of_the_others(tmp_path: Path) -> None:
    (first, *_) = decoded(exif_video(tmp_path / "turned.avi", orientation=6))
    with pytest.raises(ValueError, match="not a valid Type"):
        list(first.side_data)  # what PyAV says of EXIF data: else this test tests nothing
    assert set(side_data(first)) == {"DISPLAYMATRIX"}
    matrix = display_matrix_of(first)
    assert matrix is not None
    assert np.array_equal(np.sign(matrix), [0, 1, 0, -1, 0, 0, 0, 0, 1])
    assert read_static_hdr(first) is None


def test_named_kinds_and_none(tmp_path: Path) -> None:
    assert side_data(av.VideoFrame(16, 16)) == {}
    assert not has_other_view(av.VideoFrame(16, 16))
    (first, *_) = decoded(Clip(frames=2, rotation=90).make(tmp_path))
    assert "DISPLAYMATRIX" in side_data(first)
    assert display_matrix_of(first) is not None


def test_the_second_view_is_seen(tmp_path: Path) -> None:
    (first, *_) = decoded(two_views(tmp_path / "two.hevc"))
    assert has_other_view(first)
    assert "VIEW_ID" not in side_data(first)


def test_a_job_on_each(tmp_path: Path, blender: Interpolator) -> None:
    for make, name in ((exif_video, "exif.avi"), (exif_animation, "exif.png"), (two_views, "two.hevc")):
        source = make(tmp_path / name)
        result = interpolate_video(source, tmp_path / f"{name}.mkv", interpolator=blender)
        assert (result.source_frames, result.output_frames) == (4, 8), name
        assert any("other eye" in note for note in result.notes) == (make is two_views), name
