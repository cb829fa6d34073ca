"""YUV4MPEG2 ("y4m"), the format of uncompressed video in pipes between programs.

A header line states size, frame rate, sample aspect ratio, chroma subsampling and chroma location; then follow, for
every frame, a line FRAME and the raw planes. There are no timestamps: the frame rate is constant. Samples of more than
8 bits take two bytes, little-endian. The parameters are those of mjpegtools' yuv4mpeg(5) with FFmpeg's extensions:
C420p10 and similar for bit depth, XCOLORRANGE for colour range.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import av
import numpy as np

from rife.atomic import AppearingFile
from rife.errors import Hint, JobError, MediaError, TruncatedMediaError
from rife.media.colour.convert import range_tag
from rife.media.colour.interleave import plane_samples
from rife.media.colour.pixel_formats import LAYOUTS, has_alpha
from rife.media.images.sequence import DEFAULT_SEQUENCE_RATE
from rife.media.paths import STANDARD_STREAM
from rife.media.sink import PictureSpec, refuse_other_format, refuse_other_picture
from rife.media.source import SourceFrame, VideoInfo, check_size

_STANDARD_INPUT = Path(STANDARD_STREAM)
_MAGIC = b"YUV4MPEG2"
_LONGEST_LINE = 4096
_LARGEST_SIDE = 65536
_LIMITED_RANGE, _FULL_RANGE = 1, 2
_EXAMPLE = "ffmpeg -i film.mp4 -f yuv4mpegpipe -"


def _colour_spaces() -> dict[str, str]:
    known = {"420": "yuv420p", "420jpeg": "yuv420p", "420mpeg2": "yuv420p", "420paldv": "yuv420p", "mono": "gray"}
    known |= {"410": "yuv410p", "411": "yuv411p", "422": "yuv422p", "440": "yuv440p"}
    known |= {"444": "yuv444p", "444alpha": "yuva444p"}
    for bits in (9, 10, 12, 14, 16):
        known |= {f"{chroma}p{bits}": f"yuv{chroma}p{bits}le" for chroma in ("420", "422", "444")}
        if bits in (10, 12):
            known[f"440p{bits}"] = f"yuv440p{bits}le"
        if bits != 14:
            known[f"mono{bits}"] = f"gray{bits}le"
    return known


_FORMAT_OF_SPACE = _colour_spaces()
_SPACE_OF_FORMAT = {
    **{name: space for space, name in _FORMAT_OF_SPACE.items() if name in LAYOUTS and not has_alpha(name)},
    # Left chroma location is the default of this package, MPEG-2 and H.264; that of JPEG is the centre.
    "yuv420p": "420mpeg2",
    "yuvj420p": "420jpeg",
    "yuvj422p": "422",
    "yuvj444p": "444",
}
STREAM_FORMATS = tuple(_SPACE_OF_FORMAT)
"""Pixel formats of `Y4mWriter`."""


class Y4mStream:
    """A y4m stream as a `Source` that can be read once."""

    def __init__(self, file: BinaryIO, *, path: Path = _STANDARD_INPUT, frame_rate: Fraction | None = None) -> None:
        """Read the header.

        Args:
            file: blocking, binary; the caller closes it.
            path: name of the stream in messages.
            frame_rate: frame rate of a stream that states none (F0:0); 25 if not given.

        Raises:
            MediaError: the stream is no y4m, or of an unknown kind.
            JobError: a rate is given, and the stream states another one.
        """
        self.path = path
        self._file = file
        self._started = False
        tags = self._header()
        self.pixel_format, self._range = self._colours(tags)
        own_rate = self._ratio(tags, "F")
        if frame_rate is not None and own_rate not in (None, frame_rate):
            raise JobError(f"{self._name}: states its own rate, {own_rate}; leave out the input rate of {frame_rate}.")
        rate = own_rate or frame_rate or DEFAULT_SEQUENCE_RATE
        self.info = VideoInfo(
            path=path,
            width=self._side(tags, "W", "width"),
            height=self._side(tags, "H", "height"),
            frame_rate=rate,
            time_base=1 / rate,
            frames=None,
            duration_seconds=None,
            sample_aspect_ratio=self._ratio(tags, "A"),
            can_rewind=False,
        )
        check_size(self._name, self.info.width, self.info.height)

    def __enter__(self) -> Y4mStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass  # the file is the caller's

    def frames(self, *, from_pts: int | None = None) -> Iterator[SourceFrame]:
        """Yield the frames in order, one tick each.

        Args:
            from_pts: 0 or None; a pipe cannot seek.

        Raises:
            TruncatedMediaError: the stream ends within a frame.
            MediaError: the stream was read before, `from_pts` is not 0, or there is no frame.
        """
        if self._started or from_pts:
            raise MediaError(f"{self._name}: a pipe can be read once and from its start only.")
        self._started = True
        return self._pictures()

    @property
    def _name(self) -> str:
        return "standard input" if str(self.path) == STANDARD_STREAM else str(self.path)

    def _pictures(self) -> Iterator[SourceFrame]:
        index = 0
        while line := self._line(index):
            if line.split(b" ")[0] != b"FRAME":
                raise self._cut_off(index, f"expected FRAME, found {line[:20]!r}")
            picture = av.VideoFrame(self.info.width, self.info.height, self.pixel_format)
            picture.color_range = self._range
            for plane in range(len(picture.planes)):
                samples = plane_samples(picture, plane)
                size = samples.size * samples.dtype.itemsize
                data = self._file.read(size)
                if len(data) < size:
                    raise self._cut_off(index, "the stream ends within the frame")
                samples[:] = np.frombuffer(data, samples.dtype).reshape(samples.shape)
            yield SourceFrame(picture, pts=index, duration=1)
            index += 1
        if index == 0:
            raise MediaError(f"{self._name}: the stream has a header but no frame.")

    def _line(self, index: int) -> bytes:
        """The next line without its line break; empty at the end of the stream."""
        line = self._file.readline(_LONGEST_LINE)
        if line and not line.endswith(b"\n"):
            raise self._cut_off(index, "the line before it has no line break")
        return line.rstrip(b"\n") or (b"?" if line else b"")

    def _cut_off(self, index: int, reason: str) -> MediaError:
        return TruncatedMediaError(f"{self._name}: frame {index + 1} cannot be read ({reason}).")

    def _header(self) -> dict[str, str]:
        line = self._file.readline(_LONGEST_LINE)
        if not line.startswith(_MAGIC):
            found = f"begins with {line[:12]!r}" if line else "is empty"
            raise MediaError(f"{self._name}: expected y4m, but it {found}. FFmpeg writes it: {_EXAMPLE}")
        if not line.endswith(b"\n"):
            raise MediaError(f"{self._name}: the y4m header has no line break.")
        words = line.decode("ascii", "replace").split()[1:]
        tags = {word[0]: word[1:] for word in words if word[0] != "X"}
        extensions = dict(word[1:].partition("=")[::2] for word in words if word[0] == "X")
        return tags | extensions

    def _colours(self, tags: dict[str, str]) -> tuple[str, int]:
        space = tags.get("C") or tags.get("YSCSS", "420jpeg").lower()  # the tag's older name
        name = _FORMAT_OF_SPACE.get(space)
        if name is None:
            known = ", ".join(_FORMAT_OF_SPACE)
            raise MediaError(f"{self._name}: the colour space C{space} is not known; expected one of {known}.")
        return name, {"FULL": _FULL_RANGE, "LIMITED": _LIMITED_RANGE}.get(tags.get("COLORRANGE", ""), 0)

    def _side(self, tags: dict[str, str], tag: str, what: str) -> int:
        text = tags.get(tag, "")
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= _LARGEST_SIDE):
            raise MediaError(f"{self._name}: expected a {what} from 1 to {_LARGEST_SIDE}, got {tag}{text}.")
        return int(text)

    def _ratio(self, tags: dict[str, str], tag: str) -> Fraction | None:
        """A ratio such as 30000:1001; None if it is 0:0 or missing."""
        text = tags.get(tag, "0:0")
        above, _, below = text.partition(":")
        if not (above.isascii() and above.isdigit() and below.isascii() and below.isdigit()):
            raise MediaError(f"{self._name}: expected a ratio such as {tag}25:1 in the header, got {tag}{text}.")
        return Fraction(int(above), int(below)) if int(above) and int(below) else None


class Y4mWriter:
    """Writer of y4m frames to a binary file or pipe."""

    def __init__(
        self,
        file: BinaryIO,
        *,
        width: int,
        height: int,
        frame_rate: Fraction,
        sample_aspect_ratio: Fraction | None = None,
    ) -> None:
        """Prepare a stream; the header is written with the first frame, which determines pixel format and range.

        Args:
            file: blocking, binary; the caller closes it.
            width: width of every frame.
            height: height of every frame.
            frame_rate: exact frames per second.
            sample_aspect_ratio: width over height of a pixel; None if unknown.
        """
        self._file = file
        self._size = (width, height)
        self._rate, self._aspect = frame_rate, sample_aspect_ratio
        self._started = False

    def write(self, picture: av.VideoFrame) -> None:
        """Write a frame in one of `STREAM_FORMATS`, always the same one.

        Raises:
            BrokenPipeError: the reader of the pipe has closed it.
            OSError: the frame cannot be written.
        """
        if not self._started:
            self._put(self._header(picture))
            self._started = True
        self._put(b"FRAME\n")
        for plane in range(len(picture.planes)):
            self._put(plane_samples(picture, plane).tobytes())

    def _header(self, picture: av.VideoFrame) -> bytes:
        name = picture.format.name
        aspect = self._aspect or Fraction(0)
        words = [
            _MAGIC.decode(),
            f"W{self._size[0]}",
            f"H{self._size[1]}",
            f"F{self._rate.numerator}:{self._rate.denominator}",
            "Ip",
            f"A{aspect.numerator}:{aspect.denominator if aspect else 0}",
            f"C{_SPACE_OF_FORMAT[name]}",
        ]
        colour_range = _FULL_RANGE if name.startswith("yuvj") else range_tag(picture)
        if colour_range in (_LIMITED_RANGE, _FULL_RANGE):
            words.append(f"XCOLORRANGE={'FULL' if colour_range == _FULL_RANGE else 'LIMITED'}")
        return " ".join(words).encode("ascii") + b"\n"

    def _put(self, data: bytes) -> None:
        left = memoryview(data)
        while left:  # an unbuffered pipe may accept only part of the data
            left = left[self._file.write(left) :]


class Y4mSink:
    """A `PictureSink` of y4m with a constant frame rate, to a pipe or to a file that appears when it is complete."""

    def __init__(self, target: Path | None, spec: PictureSpec, *, stream: BinaryIO | None, overwrite: bool) -> None:
        """Open the file; a pipe is open already.

        Args:
            target: the file, or None to write to `stream`.
            spec: properties of the frames.
            stream: blocking, binary; the caller closes it.
            overwrite: replace the file.

        Raises:
            JobError: the file exists.
            MediaError: the file cannot be written.
        """
        refuse_other_format(spec, STREAM_FORMATS, target or "-")
        self.notes: list[str] = []
        self.frames_written = 0
        self._label = "standard output" if target is None else str(target)
        self._spec = spec
        self._first_pts: int | None = None
        self._file = None if target is None else AppearingFile(target, overwrite=overwrite)
        try:
            self._stream = stream if self._file is None else self._file.path.open("wb")
        except OSError as err:
            raise MediaError(f"{self._label}: cannot be written ({err.strerror or err}).") from err
        if self._stream is None:
            raise JobError("y4m: expected a file or a stream to write to, got neither.")
        self._writer = Y4mWriter(
            self._stream,
            width=spec.width,
            height=spec.height,
            frame_rate=spec.frame_rate,
            sample_aspect_ratio=spec.sample_aspect_ratio,
        )

    def __enter__(self) -> Y4mSink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None and self._stream is not None:
            with suppress(OSError):  # the file is discarded anyway
                self._stream.close()
            self._file.discard()

    def write(self, picture: av.VideoFrame, *, pts: int, duration: int, name: str | None = None) -> None:  # noqa: ARG002 (of `PictureSink`)
        """Write the next frame; see `PictureSink.write`.

        Raises:
            JobError: its time differs from the constant rate by more than half a frame.
        """
        refuse_other_picture(self._spec, picture, self._label)
        if self._first_pts is None:
            self._first_pts = pts
        position = (pts - self._first_pts) * self._spec.time_base * self._spec.frame_rate
        if abs(position - self.frames_written) > Fraction(1, 2):
            raise JobError(
                f"{self._label}: y4m has a constant frame rate, here {float(self._spec.frame_rate):g} a second, and "
                f"the time of frame {self.frames_written + 1} does not fit it.",
                hint=Hint("Make the rate constant with {fps}."),
            )
        try:
            self._writer.write(picture)
        except BrokenPipeError:
            raise
        except OSError as err:
            raise MediaError(f"{self._label}: cannot be written ({err.strerror or err}).") from err
        self.frames_written += 1

    def finish(self) -> None:
        """Complete the stream; see `PictureSink.finish`."""
        try:
            if self._stream is not None:
                self._stream.flush()
            if self._file is not None and self._stream is not None:
                self._stream.close()
                self._file.appear()
        except BrokenPipeError:
            raise
        except OSError as err:
            raise MediaError(f"{self._label}: cannot be written ({err.strerror or err}).") from err
