"""Animations as outputs, as Pillow and another FFmpeg see them."""

from __future__ import annotations

import subprocess
import zlib
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from rife.errors import JobError, MediaError
from rife.media.open_sink import check_target, sink_for, target_formats
from rife.media.paths import parse_output
from rife.media.sink import PictureSpec
from support.pictures import planar_picture, random_codes, textured

ENDINGS = ["gif", "apng", "webp"]


def pictures(count: int, *, channels: int = 3, deep: bool = False) -> list[av.VideoFrame]:
    return [planar_picture(textured(index, channels=channels, deep=deep)) for index in range(count)]


def write(
    path: Path, frames: list[av.VideoFrame], *, durations: list[int], time_base: Fraction, start: int = 0, crf: int = 0
) -> list[str]:
    first = frames[0]
    rate = len(durations) / (sum(durations) * time_base)
    spec = PictureSpec(first.width, first.height, first.format.name, rate, time_base, crf=crf)
    starts = [start, *accumulate(durations, initial=start)][1:]
    with sink_for(parse_output(path), spec) as sink:
        for picture, pts, duration in zip(frames, starts, durations, strict=False):
            sink.write(picture, pts=pts, duration=duration, name="ignored")
        assert not path.exists()
        sink.finish()
    return sink.notes


def read(path: Path) -> list[tuple[float, np.ndarray]]:
    """Milliseconds and RGBA of every picture."""
    out = []
    with Image.open(path) as image:
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            image.load()
            out.append((float(image.info["duration"]), np.array(image.convert("RGBA"))))
    return out


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(48), Fraction(50), Fraction(12)])
def test_times_are_rounded_without_drift_and_sum_to_the_length(tmp_path: Path, ending: str, rate: Fraction) -> None:
    count = 37
    path = tmp_path / f"a.{ending}"
    notes = write(path, pictures(count), durations=[1] * count, time_base=1 / rate, start=5)
    assert notes == []
    delays = [delay for delay, _ in read(path)]
    assert len(delays) == count
    tick = {"gif": 10.0, "apng": 0.02, "webp": 1.0}[ending]
    for index, reached in enumerate(accumulate(delays)):
        assert abs(reached - float((index + 1) * 1000 / rate)) <= tick / 2 + 1e-6
    assert min(delays) >= 20 or ending != "gif"


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(20, 400), min_size=2, max_size=8), st.sampled_from(ENDINGS))
def test_any_times_sum_to_the_length(tmp_path: Path, durations: list[int], ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    path.unlink(missing_ok=True)
    write(path, pictures(len(durations)), durations=durations, time_base=Fraction(1, 1000))
    delays = [delay for delay, _ in read(path)]
    assert len(delays) == len(durations)
    # the last hundredth of a GIF may be needed to keep its last picture long enough
    assert abs(sum(delays) - sum(durations)) <= {"gif": 10.0, "apng": 0.5, "webp": 0.0}[ending]


@pytest.mark.parametrize("ending", ["gif", "apng"])  # FFmpeg reads no animated WebP
def test_another_ffmpeg_counts_the_same_pictures_and_time(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    write(path, pictures(5), durations=[4, 5, 6, 7, 20], time_base=Fraction(1, 100))
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-c", "copy"]
    checked = subprocess.run([*command, "-f", "framecrc", "-"], check=True, capture_output=True, text=True).stdout
    base = Fraction(next(line.split()[2] for line in checked.splitlines() if line.startswith("#tb")))
    rows = [line.split(",") for line in checked.splitlines() if not line.startswith("#")]
    assert [int(row[2]) * base for row in rows] == [Fraction(at, 100) for at in (0, 4, 9, 15, 22)]
    assert int(rows[-1][3]) * base == Fraction(20, 100)


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_animated_png_keeps_every_code(tmp_path: Path, channels: int, deep: bool) -> None:
    path = tmp_path / "a.apng"
    write(path, pictures(4, channels=channels, deep=deep), durations=[1] * 4, time_base=Fraction(1, 25))
    name = {1: "gray", 3: "rgb24", 4: "rgba"}[channels]
    if deep:
        name = {1: "gray16le", 3: "rgb48le", 4: "rgba64le"}[channels]
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            expected = textured(index, channels=channels, deep=deep)
            np.testing.assert_array_equal(frame.to_ndarray(format=name), expected)
    if not deep:
        for index, (_, codes) in enumerate(read(path)):
            image = Image.fromarray(textured(index, channels=channels)).convert("RGBA")
            np.testing.assert_array_equal(codes, np.array(image))


@pytest.mark.parametrize("channels", [3, 4])
def test_lossless_webp_keeps_what_is_visible(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "a.webp"
    write(path, pictures(4, channels=channels), durations=[1] * 4, time_base=Fraction(1, 25))
    for index, (_, codes) in enumerate(read(path)):
        expected = np.array(Image.fromarray(textured(index, channels=channels)).convert("RGBA"))
        np.testing.assert_array_equal(codes[..., 3], expected[..., 3])
        np.testing.assert_array_equal(codes[expected[..., 3] > 0], expected[expected[..., 3] > 0])


def test_lossy_webp_is_smaller_and_near(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = [(textured(i, size=(160, 120)) + rng.integers(0, 9, (120, 160, 3))).astype(np.uint8) for i in range(3)]
    sizes = []
    for crf in (0, 16, 40):
        path = tmp_path / f"{crf}.webp"
        write(path, [planar_picture(codes) for codes in noise], durations=[1] * 3, time_base=Fraction(1, 25), crf=crf)
        sizes.append(path.stat().st_size)
    assert sizes == sorted(sizes, reverse=True)
    errors = [
        np.abs(a[..., :3].astype(int) - b).mean() for (_, a), b in zip(read(tmp_path / "16.webp"), noise, strict=True)
    ]
    assert max(errors) < 8


def test_a_gif_has_the_best_colours_for_each_picture(tmp_path: Path) -> None:
    # 200 colours in each picture, 600 in all: one palette could not hold them
    frames = [np.stack(np.divmod(np.arange(200), 20), -1).astype(np.uint8) for _ in range(3)]
    codes = [
        np.repeat(np.concatenate((f * 12, np.full((200, 1), 60 * i)), 1).reshape(10, 20, 3), 4, 0).astype(np.uint8)
        for i, f in enumerate(frames)
    ]
    path = tmp_path / "a.gif"
    write(path, [planar_picture(code) for code in codes], durations=[1] * 3, time_base=Fraction(1, 25))
    for (_, shown), expected in zip(read(path), codes, strict=True):
        assert np.abs(shown[..., :3].astype(int) - expected).max() <= 1  # palettes are chosen in another colour space


def test_a_gif_keeps_holes_and_clears_them(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    write(path, pictures(5, channels=4), durations=[1] * 5, time_base=Fraction(1, 25))
    for index, (_, codes) in enumerate(read(path)):
        np.testing.assert_array_equal(codes[..., 3], textured(index, channels=4)[..., 3])


@pytest.mark.parametrize("ending", ENDINGS)
def test_they_loop_for_ever(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    write(path, pictures(3), durations=[1] * 3, time_base=Fraction(1, 25))
    with Image.open(path) as image:
        assert image.info["loop"] == 0


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("size", [(1, 1), (47, 33)])
def test_odd_sizes_and_a_single_picture(tmp_path: Path, ending: str, size: tuple[int, int]) -> None:
    path = tmp_path / f"a.{ending}"
    write(path, [planar_picture(textured(0, size=size))], durations=[1], time_base=Fraction(1, 25))
    with Image.open(path) as image:
        assert (image.size, getattr(image, "n_frames", 1)) == (size, 1)
        np.testing.assert_allclose(np.array(image.convert("RGB")).astype(int), textured(0, size=size), atol=40)


@pytest.mark.parametrize("ending", ENDINGS)
def test_pictures_that_stand_still_keep_the_length(tmp_path: Path, ending: str) -> None:
    still = [planar_picture(textured(0))] * 3 + [planar_picture(textured(1))] * 3
    path = tmp_path / f"a.{ending}"
    write(path, still, durations=[4] * 6, time_base=Fraction(1, 100))
    assert sum(delay for delay, _ in read(path)) == 240


def test_a_gif_too_fast_for_browsers_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"50 frames per second.*got 60\. Use fps=50"):
        write(tmp_path / "a.gif", pictures(2), durations=[1, 1], time_base=Fraction(1, 60))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", ["apng", "webp"])
def test_other_animations_too_fast_for_browsers_are_noted(tmp_path: Path, ending: str) -> None:
    (note,) = write(tmp_path / f"a.{ending}", pictures(2), durations=[1, 1], time_base=Fraction(1, 100))
    assert "too slowly" in note


def test_a_short_gif_picture_is_held_and_made_up_for(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    write(path, pictures(5), durations=[1, 1, 10, 10, 10], time_base=Fraction(1, 100))
    assert [delay for delay, _ in read(path)] == [20, 20, 80, 100, 100]


@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_is_left_of_a_failure_and_nothing_is_replaced_unasked(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    (frame,) = pictures(1)
    spec = PictureSpec(frame.width, frame.height, "gbrp", Fraction(25), Fraction(1, 25))
    with sink_for(parse_output(path), spec) as sink:
        sink.write(frame, pts=0, duration=1)
        with pytest.raises(MediaError, match="expected frames of 46x32"):
            sink.write(planar_picture(random_codes((8, 8, 3))), pts=1, duration=1)
    assert not list(tmp_path.iterdir())
    path.write_bytes(b"mine")
    with pytest.raises(JobError, match="exists already"):
        sink_for(parse_output(path), spec)
    with sink_for(parse_output(path), spec, overwrite=True) as sink:
        sink.write(frame, pts=0, duration=1)
        assert path.read_bytes() == b"mine"
        sink.finish()
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    with pytest.raises(JobError, match=r"expected one of the pixel formats gbrp.*got yuv420p"):
        sink_for(parse_output(path), PictureSpec(8, 8, "yuv420p", Fraction(25), Fraction(1, 25)), overwrite=True)


@pytest.mark.parametrize("ending", [*ENDINGS, "y4m"])
def test_a_file_that_appears_meanwhile_is_left_alone(tmp_path: Path, ending: str) -> None:
    frame = planar_picture(textured(0, channels=1)) if ending == "y4m" else pictures(1)[0]
    path = tmp_path / f"a.{ending}"
    with sink_for(parse_output(path), PictureSpec(46, 32, frame.format.name, Fraction(25), Fraction(1, 25))) as sink:
        sink.write(frame, pts=0, duration=1)
        path.write_bytes(b"theirs")
        with pytest.raises(JobError, match="exists already"):
            sink.finish()
    assert path.read_bytes() == b"theirs"
    assert len(list(tmp_path.iterdir())) == 1


def test_every_chunk_of_an_animated_png_has_its_own_sum(tmp_path: Path) -> None:
    write(tmp_path / "a.apng", pictures(3), durations=[1, 1, 7], time_base=Fraction(1, 25))
    data = (tmp_path / "a.apng").read_bytes()
    at = 8
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        body = data[at + 4 : at + 8 + size]
        assert zlib.crc32(body) == int.from_bytes(data[at + 8 + size : at + 12 + size], "big"), body[:4]
        at += 12 + size


def test_an_incomplete_animation_goes_under_another_name(tmp_path: Path) -> None:
    (frame,) = pictures(1)
    spec = PictureSpec(frame.width, frame.height, "gbrp", Fraction(25), Fraction(1, 25))
    with sink_for(parse_output(tmp_path / "a.gif").partial, spec) as sink:
        sink.write(frame, pts=0, duration=1)
        sink.finish()
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.partial.gif"]


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("-", True), ("a.gif", True), ("a.APNG", True), ("a.webp", True), ("a.y4m", True), ("new", True),
        ("there.v2", True), ("f%03d.png", True), ("a.png", True),
        ("a.mp4", False), ("a.mkv", False), ("a.xyz", False), ("new.v2", False),
    ],
)  # fmt: skip
def test_which_outputs_are_written_picture_by_picture(tmp_path: Path, name: str, is_one: bool) -> None:
    (tmp_path / "there.v2").mkdir()
    assert parse_output(Path("-") if name == "-" else tmp_path / name).is_video != is_one


def test_one_file_for_many_pictures_is_refused_with_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"holds a single picture.*a_%06d\.png.*\.apng"):
        check_target(parse_output(tmp_path / "a.png"), overwrite=False)
    with pytest.raises(JobError, match=r"cannot be written as \.gif"):
        target_formats(parse_output(tmp_path / "a%d.gif"))


def test_the_formats_of_each_output(tmp_path: Path) -> None:
    assert "yuv420p10le" in target_formats(parse_output(Path("-")))
    assert "gbrap16le" in target_formats(parse_output(tmp_path / "new"))
    assert "gbrap16le" not in target_formats(parse_output(tmp_path / "new"), image_format="webp")
    assert target_formats(parse_output(tmp_path / "a%d.jpg")) == target_formats(
        parse_output(tmp_path / "new"), image_format="jpg"
    )
    for ending in ENDINGS:
        assert "gbrap" in target_formats(parse_output(tmp_path / f"a.{ending}"))
