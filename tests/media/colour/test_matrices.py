"""Matrices: each is undone by its inverse, and is what its standard says."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from rife.errors import MediaError
from rife.media.colour.matrices import leads_to_rgb, matrix_of, usual_number
from rife.media.video.encoding import check_matrix
from support.clips import decoded

NUMBERS = range(18)


def tagged(number: int, primaries: int = 2, size: tuple[int, int] = (64, 64)) -> av.VideoFrame:
    picture = av.VideoFrame(*size, "yuv444p")
    picture.colorspace, picture.color_primaries = number, primaries
    return picture


@pytest.mark.parametrize("number", NUMBERS)
def test_the_inverse_undoes_it_and_grey_has_no_colour(number: int) -> None:
    matrix = matrix_of(tagged(number))
    encode = np.array(matrix.encode)
    decode = np.column_stack((np.ones(3), np.array(matrix.decode)))
    np.testing.assert_allclose(decode @ encode, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(encode @ np.ones(3), (1, 0, 0), atol=1e-12)
    assert encode[1:].clip(0).sum(axis=1) == pytest.approx(0.5), "differences reach 0.5 and no more"


def test_weights_that_follow_from_primaries_are_those_of_the_standards() -> None:
    """BT.709 and BT.2020 round to four places what their primaries give; BT.601 with NTSC's is the first colour TV."""
    for primaries, standard in ((1, 1), (9, 9)):
        derived, own = (np.array(matrix_of(picture).encode) for picture in (tagged(12, primaries), tagged(standard)))
        np.testing.assert_allclose(derived, own, atol=1e-4)
    np.testing.assert_allclose(matrix_of(tagged(12, 4)).encode[0], (0.299, 0.587, 0.114), atol=1e-3)
    p3 = matrix_of(tagged(12, 12)).encode[0]
    np.testing.assert_allclose(p3, (0.2290, 0.6917, 0.0793), atol=1e-4)


def test_ycgco_is_not_taken_for_another() -> None:
    """Its red has U low and V high; any other matrix has both ways round."""
    y, cg, co = np.array(matrix_of(tagged(8)).encode) @ (1, 0, 0)
    assert (y, cg, co) == (0.25, -0.25, 0.5)


@pytest.mark.parametrize(("size", "number"), [((720, 576), 6), ((1280, 544), 1), ((720, 1280), 1), ((1920, 1080), 1)])
@pytest.mark.parametrize("unnamed", [2, 3, 0])
def test_a_video_that_names_no_matrix_is_taken_as_players_take_it(
    size: tuple[int, int], number: int, unnamed: int
) -> None:
    assert usual_number(*size) == number
    assert matrix_of(tagged(unnamed, size=size)) == matrix_of(tagged(number))


def test_which_matrices_lead_to_rgb() -> None:
    assert [number for number in NUMBERS if not leads_to_rgb(tagged(number))] == [10, 11, 13, 14, 15, 16, 17]


@pytest.mark.parametrize(
    ("codec", "suffix"), [("libx264", ".mp4"), ("ffv1", ".mkv"), ("libvpx-vp9", ".webm"), ("libsvtav1", ".mkv")]
)
@pytest.mark.parametrize("number", [n for n in range(1, 15) if n != 3])
def test_a_matrix_is_kept_by_a_file_or_refused(number: int, codec: str, suffix: str, tmp_path: Path) -> None:
    picture = av.VideoFrame(64, 64, "yuv420p")
    picture.colorspace, picture.pts = number, 0
    path = tmp_path / f"clip{suffix}"
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.codec_context.colorspace = number
        out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    if decoded(path)[0].colorspace == number:
        check_matrix(picture, codec)
    else:
        with pytest.raises(MediaError, match=f"matrix {number} .* expected one of 0, 1, 2"):
            check_matrix(picture, codec)
