"""Matrices between RGB and YUV, by their numbers in FFmpeg.

Numbers, weights and chromaticities are those of ITU-T H.273, tables 2 and 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import av

BT709, BT601 = 1, 6
_YCGCO, _BT2020 = 8, 9

_LUMA_WEIGHTS = {
    BT709: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    BT601: (0.299, 0.114),
    7: (0.212, 0.087),
    _BT2020: (0.2627, 0.0593),
}
"""Weights of red and blue in luma."""

_DERIVED_FROM_PRIMARIES = (12, 13)

_STAND_IN = {10: _BT2020, 11: _BT2020, 13: 12, 14: _BT2020, 15: _BT2020, 16: _YCGCO, 17: _YCGCO}
"""Substitutes for numbers without a matrix to RGB: constant luminance, ICtCp and similar need the transfer function.

A conversion by another matrix, and back by its inverse, preserves the source's colours; only the network's input is
inexact.
"""

_D65, _C, _E, _DCI = (0.3127, 0.3290), (0.310, 0.316), (1 / 3, 1 / 3), (0.314, 0.351)
_PRIMARIES = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65),
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    8: ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    10: ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), _E),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _DCI),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65),
}
"""Chromaticities (x, y) of red, green, blue and white."""


@dataclass(frozen=True)
class Matrix:
    """Matrix from RGB in [0, 1] to Y in [0, 1] and U, V in [-0.5, 0.5], and its inverse.

    Attributes:
        encode: weights of red, green and blue in three rows, for Y, U and V.
        decode: weights of U and V in three rows, for red, green and blue; the weight of Y is 1.
    """

    encode: tuple[tuple[float, float, float], ...]
    decode: tuple[tuple[float, float], ...]


_YCGCO_MATRIX = Matrix(
    encode=((0.25, 0.5, 0.25), (-0.25, 0.5, -0.25), (0.5, 0.0, -0.5)),
    decode=((-1.0, 1.0), (1.0, 0.0), (-1.0, -1.0)),
)


def matrix_of(picture: av.VideoFrame) -> Matrix:
    """The matrix of a frame; without a valid tag, the matrix that players assume for its size."""
    number = _STAND_IN.get(picture.colorspace, picture.colorspace)
    if number == _YCGCO:
        return _YCGCO_MATRIX
    weights = _LUMA_WEIGHTS.get(number)
    if number in _DERIVED_FROM_PRIMARIES and picture.color_primaries in _PRIMARIES:
        weights = _derived_weights(picture.color_primaries)
    red, blue = weights or _LUMA_WEIGHTS[usual_number(picture.width, picture.height)]
    green = 1 - red - blue
    blue_span, red_span = 2 * (1 - blue), 2 * (1 - red)
    return Matrix(
        encode=(
            (red, green, blue),
            (-red / blue_span, -green / blue_span, 0.5),
            (0.5, -green / red_span, -blue / red_span),
        ),
        decode=((0.0, red_span), (-blue_span * blue / green, -red_span * red / green), (blue_span, 0.0)),
    )


def usual_number(width: int, height: int) -> int:
    """Number of the matrix that players assume for untagged video: BT.709 from high definition on, else BT.601."""
    return BT709 if width >= 1280 or height > 576 else BT601


def leads_to_rgb(picture: av.VideoFrame) -> bool:
    """Whether `matrix_of` is the exact matrix of a frame, not a substitute."""
    return picture.colorspace not in _STAND_IN


def _derived_weights(primaries: int) -> tuple[float, float]:
    """Weights of red and blue for which luma is the luminance of the primaries (H.273, MatrixCoefficients 12)."""
    red, green, blue, white = (_xyz(x, y) for x, y in _PRIMARIES[primaries])
    whole = _determinant(red, green, blue)
    return (
        red[1] * _determinant(white, green, blue) / whole / white[1],
        blue[1] * _determinant(red, green, white) / whole / white[1],
    )


def _xyz(x: float, y: float) -> tuple[float, float, float]:
    return x, y, 1 - x - y


def _determinant(a: tuple[float, float, float], b: tuple[float, float, float], c: tuple[float, float, float]) -> float:
    return a[0] * (b[1] * c[2] - b[2] * c[1]) - b[0] * (a[1] * c[2] - a[2] * c[1]) + c[0] * (a[1] * b[2] - a[2] * b[1])
