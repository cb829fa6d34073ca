"""Choices, defaults and parsers of option values, shared by the Python interface and the command line.

Every kind of value has one parser: values are parsed once, where they enter the package.
"""

from __future__ import annotations

import math
import os
import re
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, SupportsFloat, SupportsIndex, TypeAlias, cast, get_args

from rife.errors import MediaError, OptionError

Number: TypeAlias = SupportsFloat | SupportsIndex | str
"""An int, float or Fraction, a number of NumPy or PyTorch, or text such as `2.5` or `5/2`."""

Refine = Literal["full", "off"]
"""`full` corrects warped frames with the refinement networks; `off` leaves them out, and is faster."""

FlowScale = Literal["1", "0.5", "0.25", "2", "auto"]
"""Size of the pictures on which flow is estimated, relative to the frame; auto decides for each pair of frames."""

AtCut = Literal["hold", "blend"]
"""Between the two sides of a cut, `hold` repeats the last frame before it, and `blend` mixes both sides."""

Duplicates = Literal["keep", "retime"]
"""`keep` leaves repeated source frames as they are; `retime` replaces them by motion."""

OnDamage = Literal["stop", "hold"]
"""Where a source cannot be decoded, `stop` makes nothing; `hold` repeats the frame before it and continues after it."""

Sound = Literal["drop", "stretch"]
"""In slow motion, `drop` leaves sound out; `stretch` makes it longer at the same pitch."""

ImageFormat = Literal["png", "jpg", "webp", "tiff"]
"""Formats of the image files of a folder."""

EngineName = Literal["auto", "torch", "openvino", "native"]
"""The library that runs the network. `torch` is PyTorch, the reference; `openvino` and `native` (our own convolutions)
are faster on a CPU. There, `auto` takes OpenVINO where the CPU multiplies bf16, else native."""

Precision = Literal["auto", "float32", "bf16"]
"""Arithmetic of the convolutions; auto is bf16 with OpenVINO on a processor that multiplies it, else float32. What bf16
gains and costs: docs/performance.md."""

Tile = Literal["auto", "off"] | int
"""Side in pixels of the tiles in which a frame is made; auto tiles what is too large for the memory, off never does."""

MIN_TILE_PX = 128
"""Smaller tiles consist of little more than their overlap."""

DEFAULT_CRF = 16
"""Constant rate factor near the threshold of visibility, so that encoding again costs little."""

MAX_CRF = 63
"""The lowest quality of any encoder."""

_MEMORY_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


_NUMBER = re.compile(
    r"([+-]?(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:e[+-]?\d{1,2})?)(?:\s*/\s*(\d{1,18}))?", re.ASCII | re.IGNORECASE
)
_URL = re.compile(r"^([a-z][a-z0-9+.-]+):/+", re.IGNORECASE)


def parse_number(value: Number, what: str, *, expected: str = "a number") -> Fraction:
    """Parse a number exactly as it is written: 0.1 is 1/10.

    Args:
        value: a number of Python, NumPy or PyTorch (one element), or text: `2`, `2.5`, `5/2`.
        what: name of the option, for the message.
        expected: description of a valid value, for the message.

    Raises:
        OptionError: not a finite number.
    """
    number = _exact(value)
    if number is None:
        raise OptionError(f"{what}: expected {expected}, got {value!r}.")
    return number


def parse_whole(value: Number, what: str, *, least: int, most: int | None = None) -> int:
    """Parse a whole number in a range; for the forms of numbers see `parse_number`.

    Raises:
        OptionError: not a whole number, or out of range.
    """
    expected = f"a whole number from {least} {'on' if most is None else f'to {most}'}"
    number = parse_number(value, what, expected=expected)
    if number.denominator != 1 or number < least or (most is not None and number > most):
        raise OptionError(f"{what}: expected {expected}, got {value!r}.")
    return int(number)


def parse_choice(value: str, what: str, choices: object) -> Any:  # noqa: ANN401 (one of the words of a Literal type)
    """Parse a word of a Literal type.

    Raises:
        OptionError: not one of them.
    """
    words = get_args(choices)
    if not isinstance(value, str) or value not in words:
        expected = " or ".join(words) if len(words) == 2 else f"one of {', '.join(words)}"
        raise OptionError(f"{what}: expected {expected}, got {value!r}.")
    return value


def parse_name(value: str, what: str) -> str:
    """Parse a name, such as that of an encoder.

    Raises:
        OptionError: not text, or empty.
    """
    if not isinstance(value, str) or not value:
        raise OptionError(f"{what}: expected a name, got {value!r}.")
    return value


def parse_switch(value: bool, what: str) -> bool:  # noqa: FBT001 (the value that is read)
    """Parse a switch.

    Raises:
        OptionError: neither True nor False.
    """
    if not isinstance(value, bool):
        raise OptionError(f"{what}: expected True or False, got {value!r}.")
    return value


def parse_path(value: str | os.PathLike[str], what: str) -> Path:
    """Parse the path of a file or folder.

    Args:
        value: text or `pathlib.Path`.
        what: name of the option, for the message.

    Raises:
        OptionError: not a path.
        MediaError: a URL.
    """
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise OptionError(f"{what}: expected a path as text or pathlib.Path, got {value!r}.")
    if is_url(text):
        # A path has only one slash where a URL has two.
        url = _URL.sub(r"\1://", text)
        advice = "Write a file" if what == "output" else "Download the file first"
        raise MediaError(f"{url}: URLs are neither read nor written. {advice}, and name it by its path.")
    return Path(text)


def is_url(text: str) -> bool:
    """Whether a text is a URL, and not the path of an existing file."""
    return _URL.match(text) is not None and not os.path.lexists(text)


def parse_scale(value: Number) -> FlowScale:
    """Parse a flow scale: `auto`, or one of the supported numbers.

    Raises:
        OptionError: not one of them.
    """
    number = _exact(value)
    for scale in get_args(FlowScale):
        if (isinstance(value, str) and scale == value) or (
            number is not None and scale != "auto" and number == Fraction(scale)
        ):
            return cast("FlowScale", scale)
    raise OptionError(f"scale: expected one of {', '.join(get_args(FlowScale))}, got {value!r}.")


def parse_crf(value: Number) -> int:
    """Parse a quality of the encoder: 0 (lossless) to 63.

    Raises:
        OptionError: not a whole number in that range.
    """
    return parse_whole(value, "crf", least=0, most=MAX_CRF)


def parse_tile(value: Number) -> Tile:
    """Parse a tile size: `auto`, `off`, or a number of pixels.

    Raises:
        OptionError: none of these.
    """
    named: dict[object, Tile] = {"auto": "auto", "off": "off"}
    if isinstance(value, str) and value in named:
        return named[value]
    number = _exact(value)
    if number is None or number.denominator != 1 or number < MIN_TILE_PX:
        raise OptionError(f"tile: expected auto, off, or a number of pixels from {MIN_TILE_PX} on, got {value!r}.")
    return int(number)


def parse_memory(value: Number) -> int:
    """Parse an amount of memory: bytes, or text such as `4G`, `512M` or `1.5G`; units are powers of 1024.

    Raises:
        OptionError: not an amount of memory.
    """
    text = value if isinstance(value, str) else ""
    match = re.fullmatch(r"(\d{1,18}(?:\.\d{0,18})?)\s*([KMGT]?)(?:i?B)?", text.strip(), flags=re.IGNORECASE)
    if match is not None:
        size_bytes = int(Fraction(match[1]) * _MEMORY_UNITS[match[2].upper()])
    else:
        size_bytes = int(_exact(value) or 0)
    if size_bytes <= 0:
        raise OptionError(
            f"memory: expected a number of bytes above 0, or an amount such as 4G or 512M, got {value!r}."
        )
    return size_bytes


def _exact(value: object) -> Fraction | None:
    """The exact value of a number in any form; None if the value is not a number."""
    if isinstance(value, str):
        return _written(value.strip())
    kind = str(getattr(value, "dtype", "")).rpartition(".")[2]
    item = getattr(value, "item", None)
    if callable(item):  # a number of NumPy or PyTorch, as one of Python
        try:
            value = item()
        except (ValueError, RuntimeError):  # more than one
            return None
    if isinstance(value, (bool, bytes, bytearray)):
        return None
    if isinstance(value, (int, Fraction)):
        return Fraction(value)
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return Fraction(_shortest(number, kind)) if math.isfinite(number) else None


def _written(text: str) -> Fraction | None:
    match = _NUMBER.fullmatch(text)
    if match is None or (match[2] is not None and int(match[2]) == 0):
        return None
    return Fraction(match[1]) / int(match[2] or 1)


def _shortest(number: float, kind: str) -> str:
    """The shortest decimal that rounds to a number of a floating-point type."""
    code = {"float32": "f", "float16": "e"}.get(kind)
    if code is not None:
        for digits in range(1, 10):
            text = f"{number:.{digits}g}"
            if struct.unpack(code, struct.pack(code, float(text)))[0] == number:
                return text
    return repr(number)


def readable_bytes(size_bytes: int) -> str:
    """A size as text: in GB, or in MB below 0.1 GB."""
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e8 else f"{size_bytes / 1e6:.0f} MB"
