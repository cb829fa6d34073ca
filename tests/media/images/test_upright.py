"""Pictures turned as a display matrix says."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from rife.media.colour.convert import adapted, to_rgb
from rife.media.colour.pixel_formats import LAYOUTS
from rife.media.images.upright import degrees_of, orientation_of, swaps_sides, upright
from rife.media.video.side_data import display_matrix_of
from support.clips import Clip, decoded
from support.pictures import codes_of, planar_picture, random_codes

TURNS = [(rotation, mirrored) for rotation in (0, 90, 180, 270) for mirrored in (False, True)]


def placed(codes: np.ndarray, matrix: tuple[int, ...]) -> np.ndarray:
    """Every pixel where the matrix has it: x' = a x + c y, y' = b x + d y, from the least x' and y' on."""
    a, b, c, d = (round(entry / 65536) for entry in (matrix[0], matrix[1], matrix[3], matrix[4]))
    y, x = np.indices(codes.shape[:2])
    columns, rows = a * x + c * y, b * x + d * y
    columns, rows = columns - columns.min(), rows - rows.min()
    out = np.zeros((rows.max() + 1, columns.max() + 1, *codes.shape[2:]), codes.dtype)
    out[rows, columns] = codes
    return out


@pytest.mark.parametrize(("rotation", "mirrored"), TURNS)
@pytest.mark.parametrize("size", [(6, 4), (7, 5)])
def test_every_quarter_turn_as_ffmpeg_stores_it(
    size: tuple[int, int], rotation: int, mirrored: bool, tmp_path: Path
) -> None:
    clip = Clip(frames=1, rotation=rotation, mirrored=mirrored).make(tmp_path)
    matrix = display_matrix_of(decoded(clip)[0]) or (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    orientation = orientation_of(matrix)
    assert orientation is not None
    codes = random_codes((size[1], size[0], 4))
    out = codes_of(upright(planar_picture(codes), orientation))
    np.testing.assert_array_equal(out, placed(codes, matrix))
    assert swaps_sides(orientation) == (rotation in (90, 270))


def test_other_matrices() -> None:
    assert orientation_of(None) == 1
    slanted = (46341, -46341, 0, 46341, 46341, 0, 0, 0, 1 << 30)
    assert orientation_of(slanted) is None
    assert degrees_of(slanted) == pytest.approx(315)
    assert orientation_of((0, 131072, 0, -65536, 3, 0, 0, 0, 1 << 30)) == 6  # enlarged, and not quite exact


def waves(name: str, size: tuple[int, int]) -> av.VideoFrame:
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    w = 2 * np.pi / 24
    rgb = np.stack((128 + 80 * np.sin(w * x), 128 + 80 * np.sin(w * y), 128 + 60 * np.cos(w * (x + y))), -1)
    return adapted(planar_picture(rgb.round().astype(np.uint8)), name)


@pytest.mark.parametrize("name", [name for name, layout in LAYOUTS.items() if layout.is_yuv])
@pytest.mark.parametrize("size", [(48, 32), (47, 33)])
def test_chroma_lies_where_its_format_has_it_after_any_turn(name: str, size: tuple[int, int]) -> None:
    picture = waves(name, size)
    whole = to_rgb(picture)[0, :3].permute(1, 2, 0).numpy()
    matrices = {2: (-1, 0, 0, 1), 3: (-1, 0, 0, -1), 6: (0, 1, -1, 0), 8: (0, -1, 1, 0)}
    for orientation, (a, b, c, d) in matrices.items():
        out = upright(picture, orientation)
        assert out.format.name == name
        assert (out.width, out.height) == (size[::-1] if swaps_sides(orientation) else size)
        wanted = placed(whole, tuple(65536 * entry for entry in (a, b, 0, c, d, 0)))
        found = to_rgb(out)[0, :3].permute(1, 2, 0).numpy()
        assert np.abs(found - wanted).mean() < 0.01, orientation  # chroma left where it was: 0.016 to 0.03
