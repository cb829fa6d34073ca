"""y4m: what FFmpeg writes is read, what is written FFmpeg reads, and both give the same codes."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest

from rife.errors import JobError, MediaError, TruncatedMediaError
from rife.media.colour.pixel_formats import LAYOUTS
from rife.media.open_sink import sink_for
from rife.media.paths import parse_output
from rife.media.sink import PictureSpec
from rife.media.video.spool import Spool
from rife.media.y4m import _FORMAT_OF_SPACE, STREAM_FORMATS, Y4mStream
from support.clips import planes

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
SIZES = [(46, 32), (47, 33), (1, 1)]


def ffmpeg(*command: str, given: bytes = b"") -> bytes:
    return subprocess.run([FFMPEG, "-v", "error", *command], input=given, check=True, stdout=subprocess.PIPE).stdout


def noise(name: str, size: tuple[int, int], seed: int) -> av.VideoFrame:
    picture = av.VideoFrame(*size, name)
    rng = np.random.default_rng(seed)
    bits = picture.format.components[0].bits
    for plane in picture.planes:
        codes = np.frombuffer(memoryview(plane), "<u2" if bits > 8 else np.uint8)
        codes[:] = rng.integers(0, 2**bits, codes.shape)
    return picture


def raw(picture: av.VideoFrame) -> bytes:
    return b"".join(plane.tobytes() for plane in planes(picture))


def written(pictures: list[av.VideoFrame], rate: Fraction = Fraction(25), aspect: Fraction | None = None) -> bytes:
    first = pictures[0]
    spec = PictureSpec(first.width, first.height, first.format.name, rate, 1 / rate, sample_aspect_ratio=aspect)
    stream = io.BytesIO()
    with sink_for(parse_output(Path("-")), spec, stream=stream) as sink:
        for index, picture in enumerate(pictures):
            sink.write(picture, pts=index, duration=1)
        sink.finish()
    return stream.getvalue()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", STREAM_FORMATS)
def test_ffmpeg_reads_what_is_written(name: str, size: tuple[int, int]) -> None:
    pictures = [noise(name, size, seed) for seed in range(3)]
    data = written(pictures)
    plain = name.replace("yuvj", "yuv")
    back = ffmpeg("-f", "yuv4mpegpipe", "-i", "-", "-f", "rawvideo", "-pix_fmt", plain, "-", given=data)
    assert back == b"".join(raw(picture) for picture in pictures)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", STREAM_FORMATS)
def test_there_and_back_is_the_same(name: str, size: tuple[int, int]) -> None:
    pictures = [noise(name, size, seed) for seed in range(2)]
    with Y4mStream(io.BytesIO(written(pictures, Fraction(24000, 1001), Fraction(4, 3)))) as source:
        assert (source.info.frame_rate, source.info.time_base) == (Fraction(24000, 1001), Fraction(1001, 24000))
        assert (source.info.width, source.info.height) == size
        assert source.info.sample_aspect_ratio == Fraction(4, 3)
        assert not source.info.can_rewind
        frames = list(source.frames())
    assert [(frame.pts, frame.duration) for frame in frames] == [(0, 1), (1, 1)]
    assert [raw(frame.picture) for frame in frames] == [raw(picture) for picture in pictures]


@pytest.mark.parametrize("name", ["yuv420p", "yuvj420p", "yuv411p", "yuv422p", "yuv444p", "gray", "yuv420p10le"])
def test_what_ffmpeg_writes_is_read(tmp_path: Path, name: str) -> None:
    source = ("-f", "lavfi", "-i", "testsrc2=size=47x33:rate=30000/1001:duration=0.2")
    data = ffmpeg(*source, "-pix_fmt", name, "-strict", "-1", "-f", "yuv4mpegpipe", "-")
    (tmp_path / "a.y4m").write_bytes(data)
    stream = Y4mStream(io.BytesIO(data))
    assert stream.info.frame_rate == Fraction(30000, 1001)
    frames = list(stream.frames())
    raw_video = ffmpeg("-i", str(tmp_path / "a.y4m"), "-f", "rawvideo", "-")
    assert b"".join(raw(frame.picture) for frame in frames) == raw_video
    assert len(frames) == 6


@pytest.mark.parametrize(("code_range", "tag"), [(1, b"XCOLORRANGE=LIMITED"), (2, b"XCOLORRANGE=FULL")])
def test_the_range_is_told_and_understood(code_range: int, tag: bytes) -> None:
    picture = noise("yuv420p", (8, 8), 0)
    picture.color_range = code_range
    data = written([picture])
    assert tag in data.split(b"\n")[0]
    (frame,) = Y4mStream(io.BytesIO(data)).frames()
    assert frame.picture.color_range == code_range
    probe = subprocess.run([FFMPEG, "-f", "yuv4mpegpipe", "-i", "-"], input=data, capture_output=True).stderr
    assert {1: b"tv", 2: b"pc"}[code_range] in probe


HEADER = b"YUV4MPEG2 W4 H2 F25:1 Ip A1:1 C420jpeg\n"
FRAME = b"FRAME\n" + bytes(12)


def test_what_a_header_leaves_out() -> None:
    stream = Y4mStream(io.BytesIO(b"YUV4MPEG2 W4 H2\n" + FRAME))
    assert stream.pixel_format == "yuv420p"
    assert (stream.info.frame_rate, stream.info.sample_aspect_ratio) == (Fraction(25), None)
    given = Y4mStream(io.BytesIO(b"YUV4MPEG2 W4 H2 F0:0 A0:0\n" + FRAME), frame_rate=Fraction(12))
    assert (given.info.frame_rate, given.info.sample_aspect_ratio) == (Fraction(12), None)
    told = Y4mStream(io.BytesIO(HEADER + b"FRAME Ip XYZ\n" + bytes(12)), frame_rate=Fraction(25))
    assert told.info.frame_rate == 25
    assert len(list(told.frames())) == 1
    with pytest.raises(JobError, match="states its own rate, 25"):
        Y4mStream(io.BytesIO(HEADER), frame_rate=Fraction(12))


def test_every_cut_is_told_with_the_number_of_the_picture() -> None:
    whole = HEADER + FRAME * 3
    for length in range(len(HEADER) + 1, len(whole)):
        inside, offset = divmod(length - len(HEADER), len(FRAME))
        stream = Y4mStream(io.BytesIO(whole[:length]))
        frames = stream.frames()
        for _ in range(inside):
            next(frames)
        if offset:
            with pytest.raises(TruncatedMediaError, match=f"frame {inside + 1} cannot be read"):
                next(frames)
        else:
            assert next(frames, None) is None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"\x1aE\xdf\xa3matroska", "expected y4m"),
        (HEADER[:-1], "no line break"),
        (HEADER, "no frame"),
        (HEADER.replace(b"C420jpeg", b"C444ps"), "C444ps is not known"),
        (HEADER.replace(b"W4", b"W0"), "expected a width"),
        (HEADER.replace(b"W4", b"W-4"), "expected a width"),
        (HEADER.replace(b"H2", b""), "expected a height"),
        (HEADER.replace(b"H2", b"H99999999999999999999"), "expected a height"),
        (HEADER.replace(b"F25:1", b"F25"), "expected a ratio"),
        (HEADER.replace(b"F25:1", b"Fx:y"), "expected a ratio"),
        (HEADER + FRAME + b"\n" + FRAME, "expected FRAME"),
        (HEADER + FRAME + b"JUNK\n", "expected FRAME"),
        (HEADER + FRAME + b"x" * 9000, "has no line break"),
    ],
)
def test_other_streams_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(MediaError, match=words):
        list(Y4mStream(io.BytesIO(data)).frames())


def test_a_pipe_is_read_once_and_from_its_start() -> None:
    stream = Y4mStream(io.BytesIO(HEADER + FRAME * 2))
    with pytest.raises(MediaError, match="once and from its start"):
        stream.frames(from_pts=1)
    assert len(list(stream.frames(from_pts=0))) == 2
    with pytest.raises(MediaError, match="once and from its start"):
        stream.frames()


def test_a_pipe_may_come_in_pieces() -> None:
    pictures = [noise("yuv420p", (47, 33), seed) for seed in range(3)]
    data = written(pictures)
    ends = os.pipe()

    def feed() -> None:
        with os.fdopen(ends[1], "wb", buffering=0) as pipe:
            for start in range(0, len(data), 97):
                pipe.write(data[start : start + 97])

    feeding = threading.Thread(target=feed)
    feeding.start()
    with os.fdopen(ends[0], "rb") as reading:
        frames = list(Y4mStream(reading).frames())
    feeding.join()
    assert [raw(frame.picture) for frame in frames] == [raw(picture) for picture in pictures]


def test_a_reader_that_goes_away_is_a_broken_pipe() -> None:
    ends = os.pipe()
    os.close(ends[0])
    with os.fdopen(ends[1], "wb", buffering=0) as pipe:
        spec = PictureSpec(8, 8, "gray", Fraction(25), Fraction(1, 25))
        with sink_for(parse_output(Path("-")), spec, stream=pipe) as sink, pytest.raises(BrokenPipeError):
            sink.write(noise("gray", (8, 8), 0), pts=0, duration=1)


class Grudging(io.BytesIO):
    """Takes 7 bytes at a time, as a pipe that is nearly full may."""

    def write(self, data: bytes) -> int:  # type: ignore[override]
        return super().write(bytes(data[:7]))


def test_a_pipe_that_takes_a_part_gets_the_rest() -> None:
    picture = noise("gray", (8, 8), 0)
    stream = Grudging()
    with sink_for(
        parse_output(Path("-")), PictureSpec(8, 8, "gray", Fraction(25), Fraction(1, 25)), stream=stream
    ) as sink:
        sink.write(picture, pts=0, duration=1)
        sink.finish()
    assert stream.getvalue() == written([picture])


WRITER = """
import sys, av
from fractions import Fraction
from pathlib import Path
from rife.media.paths import parse_output
from rife.media.colour.pixel_formats import LAYOUTS
from rife.media.sink import PictureSpec
from rife.media.open_sink import sink_for
spec = PictureSpec(64, 48, "yuv420p", Fraction(25), Fraction(1, 25))
try:
    with sink_for(parse_output(Path("-")), spec) as sink:
        for index in range(int(sys.argv[1])):
            sink.write(av.VideoFrame(64, 48, "yuv420p"), pts=index, duration=1)
        sink.finish()
except BrokenPipeError:
    sys.exit(141)
"""


def test_standard_output_carries_the_stream_and_nothing_else() -> None:
    data = subprocess.run([sys.executable, "-c", WRITER, "7"], check=True, capture_output=True)
    assert data.stderr == b""
    crcs = ffmpeg("-f", "yuv4mpegpipe", "-i", "-", "-f", "framecrc", "-", given=data.stdout).decode().splitlines()
    rows = [row for row in crcs if not row.startswith("#")]
    assert [int(row.split(",")[2]) for row in rows] == list(range(7))


def test_a_reader_of_standard_output_that_goes_away_leaves_no_word() -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, "100000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stderr is not None
    assert writer.stdout.read(1000).startswith(b"YUV4MPEG2 W64 H48 F25:1")
    writer.stdout.close()
    with writer.stderr:
        assert writer.stderr.read() == b""
    assert writer.wait() == 141


def test_times_within_half_a_picture_are_the_rate_and_others_are_refused(tmp_path: Path) -> None:
    spec = PictureSpec(8, 8, "gray", Fraction(30), Fraction(1, 1000))
    with sink_for(parse_output(tmp_path / "a.y4m"), spec) as sink:
        for index, pts in enumerate([1000, 1033, 1067, 1100, 1133]):  # as Matroska rounds 30 a second
            sink.write(noise("gray", (8, 8), index), pts=pts, duration=33)
        with pytest.raises(JobError, match="frame 6 does not fit"):
            sink.write(noise("gray", (8, 8), 9), pts=1200, duration=33)
    assert not list(tmp_path.iterdir())


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    spec = PictureSpec(8, 8, "gray", Fraction(30), Fraction(1, 30))
    with sink_for(parse_output(tmp_path / "a.y4m"), spec) as sink:
        sink.write(noise("gray", (8, 8), 0), pts=0, duration=1)
        assert not (tmp_path / "a.y4m").exists()
        sink.finish()
    assert [path.name for path in tmp_path.iterdir()] == ["a.y4m"]
    with pytest.raises(JobError, match="exists already"):
        sink_for(parse_output(tmp_path / "a.y4m"), spec)


@pytest.mark.parametrize("size", [(46, 32), (47, 33), (3, 3)])
@pytest.mark.parametrize("space", _FORMAT_OF_SPACE)
def test_every_colour_space_comes_through_a_pipe(space: str, size: tuple[int, int], tmp_path: Path) -> None:
    """4:1:1, the layout of NTSC DV, ended in a KeyError where the pipe is kept on the disk."""
    pictures = [noise(_FORMAT_OF_SPACE[space], size, seed) for seed in range(3)]
    head = f"YUV4MPEG2 W{size[0]} H{size[1]} F10:1 C{space}\n".encode()
    stream = io.BytesIO(head + b"".join(b"FRAME\n" + raw(picture) for picture in pictures))
    with Spool(Y4mStream(stream), tmp_path) as spool:
        frames = list(spool.frames())
    assert [(frame.pts, frame.picture.width, frame.picture.height) for frame in frames] == [
        (i, *size) for i in range(3)
    ]
    name = frames[0].picture.format.name
    assert name in LAYOUTS
    for frame, picture in zip(frames, pictures, strict=True):
        # Luma, and chroma where its layout is kept, pass without loss.
        kept = len(picture.planes) if name == picture.format.name else 1
        for plane in range(kept):
            np.testing.assert_array_equal(planes(frame.picture)[plane], planes(picture)[plane])


def test_an_older_name_of_the_colour_space_and_a_size_that_cannot_be() -> None:
    stream = Y4mStream(io.BytesIO(b"YUV4MPEG2 W8 H8 F10:1 XYSCSS=411\n"))
    assert stream.pixel_format == "yuv411p"
    with pytest.raises(MediaError, match="has frames of 65536x65536; expected at most"):
        Y4mStream(io.BytesIO(b"YUV4MPEG2 W65536 H65536 F10:1 C420\n"))
