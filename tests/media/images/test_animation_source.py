"""Animations as inputs: GIF and PNG as FFmpeg reads them, WebP as Pillow does."""

from __future__ import annotations

import builtins
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rife.errors import JobError, MediaError, MissingExtraError, TruncatedMediaError
from rife.media.images.animation_source import AnimatedImage, is_animation
from rife.media.images.sequence import ImageSequence
from rife.media.open_source import open_source
from rife.media.source import SourceFrame
from rife.media.video.reader import VideoReader
from rife.media.y4m import Y4mStream
from support.pictures import codes_of, random_codes, save_png, textured

DELAYS = [40, 70, 200, 30, 90]


def few_colours(index: int) -> Image.Image:
    """Four colours and holes, so that a GIF holds it exactly."""
    codes = random_codes((32, 46, 4), seed=index) // 128 * 200
    codes[..., 3] = np.where(codes[..., 3] > 0, 255, 0)
    return Image.fromarray(codes)


def animated(path: Path, pictures: list[Image.Image], **how: object) -> Path:
    kind = {".gif": "GIF", ".apng": "PNG", ".png": "PNG", ".webp": "WEBP"}[path.suffix]
    pictures[0].save(path, format=kind, save_all=True, append_images=pictures[1:], duration=DELAYS, **how)
    return path


def video_frames(path: Path) -> list[SourceFrame]:
    with VideoReader(path) as reader:
        return list(reader.frames())


def shown(path: Path) -> list[np.ndarray]:
    """What Pillow shows, where it is visible."""
    pictures = []
    with Image.open(path) as image:
        for index in range(image.n_frames):
            image.seek(index)
            pictures.append(visible(np.array(image.convert("RGBA"))))
    return pictures


def visible(codes: np.ndarray) -> np.ndarray:
    return np.where(codes[..., 3:] > 0, codes, 0)


@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
def test_ffmpeg_shows_a_gif_as_pillow_does(tmp_path: Path, disposal: int) -> None:
    path = animated(tmp_path / "a.gif", [few_colours(index) for index in range(5)], disposal=disposal, loop=0)
    frames = video_frames(path)
    assert [(frame.pts, frame.duration) for frame in frames] == [(0, 4), (4, 7), (11, 20), (31, 3), (34, 9)]
    for frame, expected in zip(frames, shown(path), strict=True):
        np.testing.assert_array_equal(visible(frame.picture.to_ndarray(format="rgba")), expected)


@pytest.mark.parametrize(("mode", "disposal"), [("L", 0), *((m, d) for m in ("RGB", "RGBA") for d in range(3))])
@pytest.mark.parametrize("name", ["a.apng", "a.png"])
def test_ffmpeg_shows_an_animated_png_as_pillow_does(tmp_path: Path, name: str, mode: str, disposal: int) -> None:
    pictures = [Image.fromarray(textured(index, channels=4)).convert(mode) for index in range(5)]
    path = animated(tmp_path / name, pictures, disposal=disposal, blend=0, loop=3)
    frames = video_frames(path)
    ticks = [Fraction(frame.duration, 100) for frame in frames]
    assert ticks == DELAYS
    assert [frame.pts for frame in frames] == [sum(DELAYS[:index]) * 100 for index in range(5)]
    for frame, expected in zip(frames, shown(path), strict=True):
        np.testing.assert_array_equal(visible(frame.picture.to_ndarray(format="rgba")), expected)


def test_ffmpeg_blends_an_animated_png_as_its_document_says(tmp_path: Path) -> None:
    pictures = [random_codes((32, 46, 4), seed=index) for index in range(5)]
    path = animated(tmp_path / "a.apng", [Image.fromarray(codes) for codes in pictures], disposal=0, blend=1)
    # PNG 3rd edition, section 13.16: alpha and colour of one picture over another
    canvas = np.zeros((32, 46, 4))
    for frame, codes in zip(video_frames(path), pictures, strict=True):
        over = codes / 255
        alpha = over[..., 3:] + canvas[..., 3:] * (1 - over[..., 3:])
        colour = over[..., :3] * over[..., 3:] + canvas[..., :3] * canvas[..., 3:] * (1 - over[..., 3:])
        canvas = np.concatenate((colour / np.maximum(alpha, 1e-9), alpha), -1)
        error = np.abs(frame.picture.to_ndarray(format="rgba") / 255 - canvas)
        assert error[..., 3].max() * 255 <= 2
        assert (error[..., :3] * canvas[..., 3:]).max() * 255 <= 4


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_animated_webp(tmp_path: Path, mode: str) -> None:
    pictures = [Image.fromarray(textured(index, channels=4)).convert(mode) for index in range(5)]
    path = animated(tmp_path / "a.webp", pictures, lossless=True, exact=True)
    with AnimatedImage(path) as source:
        info = source.info
        frames = list(source.frames())
        assert (info.frames, info.width, info.height) == (5, 46, 32)
        assert info.duration_seconds == Fraction(sum(DELAYS), 1000)
        assert info.frame_rate == 5 / info.duration_seconds
        again = list(source.frames(from_pts=110))
    assert [frame.duration for frame in frames] == DELAYS
    assert [frame.pts for frame in frames] == [sum(DELAYS[:index]) for index in range(5)]
    for frame, picture in zip(frames, pictures, strict=True):
        codes = codes_of(frame.picture)
        assert codes.shape[2] == len(mode)
        expected = np.array(picture)
        np.testing.assert_array_equal(
            visible(codes) if mode == "RGBA" else codes, visible(expected) if mode == "RGBA" else expected
        )
    assert [frame.pts for frame in again] == [110, 310, 340]
    np.testing.assert_array_equal(codes_of(again[0].picture), codes_of(frames[2].picture))
    with pytest.raises(MediaError, match="no frame begins at 111"):
        next(source.frames(from_pts=111))


def test_alpha_of_a_webp_is_what_shows_and_not_what_is_stored(tmp_path: Path) -> None:
    # parts that do not change are stored as holes over the picture before
    opaque = [Image.fromarray(textured(index)) for index in range(5)]
    (frame, *_) = AnimatedImage(animated(tmp_path / "a.webp", opaque, lossless=True)).frames()
    assert frame.picture.format.name == "gbrp"
    later = [*opaque[:3], *(Image.fromarray(textured(index, channels=4)) for index in range(2))]
    shown_alpha = [
        codes_of(frame.picture)[..., 3].min()
        for frame in AnimatedImage(animated(tmp_path / "b.webp", later, lossless=True)).frames()
    ]
    assert shown_alpha == [255, 255, 255, 0, 0]


def test_a_webp_too_fast_to_be_meant_is_slowed_down_as_browsers_do(tmp_path: Path) -> None:
    pictures = [few_colours(index) for index in range(3)]
    path = tmp_path / "a.webp"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=[0, 10, 11])
    assert [frame.duration for frame in AnimatedImage(path).frames()] == [100, 100, 11]


def test_every_cut_of_an_animated_webp_is_told(tmp_path: Path) -> None:
    path = animated(tmp_path / "a.webp", [few_colours(index) for index in range(5)], lossless=True)
    data = path.read_bytes()
    for cut in range(30, len(data) - 2, len(data) // 50):
        path.write_bytes(data[:cut])
        assert is_animation(path)
        with pytest.raises(MediaError, match=r"a\.webp"):
            list(AnimatedImage(path).frames())


def test_a_damaged_picture_stops_after_the_good_ones(tmp_path: Path) -> None:
    path = animated(tmp_path / "a.webp", [few_colours(index) for index in range(5)], lossless=True)
    data = bytearray(path.read_bytes())
    places = [at for at in range(len(data)) if data[at : at + 4] == b"ANMF"]
    data[places[3] + 40 : places[4]] = b"\xff" * (places[4] - places[3] - 40)
    path.write_bytes(data)
    frames = AnimatedImage(path).frames()
    with pytest.raises(TruncatedMediaError, match=r"frame [2-4] cannot"):
        list(frames)


def test_without_pillow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = animated(tmp_path / "a.webp", [few_colours(index) for index in range(2)])
    real = builtins.__import__

    def no_pillow(name: str, *rest: object, **how: object) -> object:
        if name == "PIL":
            raise ImportError(name)
        return real(name, *rest, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", no_pillow)
    with pytest.raises(MissingExtraError, match=r"Pillow.*pip install Pillow"):
        AnimatedImage(path)


def test_what_is_an_animation(tmp_path: Path) -> None:
    moving = animated(tmp_path / "moving.webp", [few_colours(0), few_colours(1)])
    few_colours(0).save(tmp_path / "still.webp")
    few_colours(0).save(tmp_path / "still_with_exif.webp", exif=b"Exif\0\0II*\0")
    (tmp_path / "empty.webp").touch()
    (tmp_path / "folder.webp").mkdir()
    assert is_animation(moving)
    moving.rename(tmp_path / "any name")
    assert is_animation(tmp_path / "any name")
    for other in ("still.webp", "still_with_exif.webp", "empty.webp", "folder.webp", "none.webp"):
        assert not is_animation(tmp_path / other)


def test_one_door_for_every_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shots").mkdir()
    save_png(tmp_path / "shots" / "1.png")
    moving = animated(tmp_path / "a.webp", [few_colours(0), few_colours(1)])
    gif = animated(tmp_path / "a.gif", [few_colours(0), few_colours(1)])
    rate = Fraction(12)
    for path, kind in (
        (tmp_path / "shots", ImageSequence),
        (tmp_path / "shots" / "%d.png", ImageSequence),
        (moving, AnimatedImage),
        (gif, VideoReader),
    ):
        takes_rate = kind is ImageSequence
        with open_source(path, frame_rate=rate if takes_rate else None) as source:
            assert isinstance(source, kind)
            assert not takes_rate or source.info.frame_rate == rate
        if not takes_rate:
            with pytest.raises(JobError, match="has its own times"):
                open_source(path, frame_rate=rate)
    with pytest.raises(MediaError, match="no such file"):
        open_source(tmp_path / "none.mp4")

    class Pipe:
        def __init__(self, data: bytes, *, terminal: bool) -> None:
            import io

            self.buffer, self._terminal = io.BytesIO(data), terminal

        def isatty(self) -> bool:
            return self._terminal

    monkeypatch.setattr("sys.stdin", Pipe(b"YUV4MPEG2 W4 H2 F30:1\n", terminal=False))
    assert isinstance(open_source(Path("-")), Y4mStream)
    monkeypatch.setattr("sys.stdin", Pipe(b"", terminal=True))
    with pytest.raises(MediaError, match="terminal"):
        open_source(Path("-"))
