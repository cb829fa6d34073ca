"""What users write, read once: numbers in any form, amounts of memory, paths, choices."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from rife.errors import MediaError, OptionError
from rife.media.open_source import open_source
from rife.options import parse_memory, parse_number, parse_path, parse_scale, parse_tile, parse_whole
from rife.pipeline import JobSettings
from rife.timing import parse_factor, parse_rate, parse_slowdown, parse_time
from support.clips import Clip

QUARTER = (0.25, "0.25", ".25", "1/4", " 2.5e-1 ", Fraction(1, 4), Decimal("0.25"))
QUARTER_OF_LIBRARIES = (np.float16(0.25), np.float32(0.25), np.float64(0.25), np.array(0.25), torch.tensor(0.25))


@pytest.mark.parametrize("value", [*QUARTER, *QUARTER_OF_LIBRARIES, np.array([0.25]), torch.tensor([0.25]).half()])
def test_a_number_in_any_form(value: object) -> None:
    assert parse_number(value, "x") == Fraction(1, 4)  # type: ignore[arg-type]
    assert parse_time(value) == Fraction(1, 4)  # type: ignore[arg-type]
    assert parse_scale(value) == "0.25"  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [2.4, "2.4", np.float32(2.4), np.float64(2.4), torch.tensor(2.4), Decimal("2.4")])
def test_a_number_is_what_was_written(value: object) -> None:
    assert parse_slowdown(value) == Fraction(12, 5)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [4, 4.0, "4", "4.0", "8/2", Fraction(4), np.int64(4), np.uint8(4), torch.tensor(4)])
def test_a_whole_number_in_any_form(value: object) -> None:
    for parsed in (parse_whole(value, "x", least=0), parse_factor(value)):  # type: ignore[arg-type]
        assert (type(parsed), parsed) == (int, 4)


NO_NUMBERS = (
    "", "four", "1/0", "1,5", "1e999999999", "0x10", "nan", "inf", float("nan"), float("inf"), True, None, [2], b"2",
    np.True_, np.array([1, 2]), np.float32("nan"), torch.rand(2), 2j, object(), "2" * 5000,
)  # fmt: skip


@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize(
    "parse", [parse_factor, parse_slowdown, parse_rate, parse_time, parse_scale, parse_tile, parse_memory]
)
def test_what_is_no_number_is_refused_in_a_sentence(parse: Callable[[object], object], value: object) -> None:
    with pytest.raises(OptionError, match=r"^[a-z ]+: expected .*[;,] got "):
        parse(value)


@pytest.mark.parametrize(
    "rate", [59.94, "59.94", Fraction(60000, 1001), np.float32(59.94), 60000 / 1001, torch.tensor(59.94)]
)
def test_a_rounded_rate_in_any_form(rate: object) -> None:
    assert parse_rate(rate) == Fraction(60000, 1001)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [1 << 30, float(1 << 30), "1G", "1024 MiB", str(1 << 30), np.int64(1 << 30), "1.0g"])
def test_memory_in_any_form(value: object) -> None:
    assert parse_memory(value) == 1 << 30  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [256, "256", 256.0, np.int32(256)])
def test_tiles_in_any_form(value: object) -> None:
    assert parse_tile(value) == 256  # type: ignore[arg-type]
    assert [parse_tile(word) for word in ("auto", "off")] == ["auto", "off"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"factor": 1}, "factor: expected a whole number from 2 to 64, got 1"),
        ({"factor": 2.5}, "factor: expected a whole number"),
        ({"fps": 0}, "fps: expected 1 to 1000"),
        ({"input_fps": "fast"}, "input_fps: expected 1 to 1000"),
        ({"slowmo": 1}, "slowmo: expected a number above 1"),
        ({"fps": 60, "factor": 2}, "got both"),
        ({"at_cut": "morph"}, "at_cut: expected hold or blend, got 'morph'"),
        ({"audio": None}, "audio: expected drop or stretch, got None"),
        ({"image_format": "bmp"}, "image_format: expected one of png"),
        ({"duplicates": ["keep"]}, "duplicates: expected keep or retime"),
        ({"cuts": 7}, "cuts: expected a path"),
        ({"overwrite": 1}, "overwrite: expected True or False, got 1"),
        ({"codec": 264}, "codec: expected a name, got 264"),
        ({"crf": 64}, "crf: expected a whole number from 0 to 63"),
    ],
)
def test_settings_are_refused_before_anything_is_read(settings: dict[str, object], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        JobSettings(**settings)  # type: ignore[arg-type]


def test_paths_as_text_or_path(tmp_path: Path) -> None:
    assert parse_path("a/b.mp4", "source") == parse_path(Path("a/b.mp4"), "source") == Path("a/b.mp4")
    for value in ("", b"a.mp4", 7, None, "a\0b"):
        with pytest.raises(OptionError, match=r"source: expected a path as text or pathlib\.Path, got"):
            parse_path(value, "source")  # type: ignore[arg-type]
    source = Clip().make(tmp_path)
    with open_source(str(source)) as reader:
        assert reader.info.path == source


@pytest.mark.parametrize(
    "url",
    ["https://example.org/x.mp4", "HTTP://example.org", "rtsp://camera/1", "file:///film.mp4", "s3://bucket/x.mp4"],
)
def test_urls_are_told_apart_from_files_that_are_not_there(url: str) -> None:
    for given in (url, Path(url)):
        with pytest.raises(MediaError, match=r"^\w+://.*: URLs are neither read nor written. Download the file"):
            parse_path(given, "source")


def test_a_file_with_a_colon_in_its_name_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("take:").mkdir()
    Path("take:/one.mp4").touch()
    for name in ("take:/one.mp4", "a:b.mp4", "C:/film.mp4"):
        assert parse_path(name, "source") == Path(name)
