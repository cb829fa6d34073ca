"""Clips described by a record and made at run time."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from subprocess import run

import av
import imageio_ffmpeg
import numpy as np
from av.packet import Packet
from av.stream import Stream


@dataclass(frozen=True)
class Clip:
    """What a made clip contains.

    times: the pts of every frame in units of `tick`, or None for a constant rate.
    start: pts of the first frame, in the same units.
    """

    frames: int = 6
    width: int = 96
    height: int = 64
    rate: Fraction = Fraction(25)
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    suffix: str = ".mp4"
    lossless: bool = True
    times: tuple[int, ...] | None = None
    tick: Fraction = Fraction(1, 1000)
    b_frames: int = 0
    audio: bool = False
    rotation: int = 0
    mirrored: bool = False
    start: int = 0
    faststart: bool = False
    chapters: bool = False

    def picture(self, index: int) -> np.ndarray:
        """RGB of one frame: a textured square that moves 3 px right and 2 px down over a gradient."""
        y, x = np.mgrid[0 : self.height, 0 : self.width]
        image = np.stack((x * 200 // self.width, y * 200 // self.height, (x + y) % 97), -1).astype(np.uint8)
        top, left = 5 + 2 * index % self.height, 5 + 3 * index % self.width
        square = image[top : top + 20, left : left + 20]
        square[:] = 255 - 7 * (np.arange(square.shape[1])[None, :, None] % 13)
        return image

    def make(self, folder: Path, name: str = "clip") -> Path:
        path = folder / f"{name}{self.suffix}"
        options = {"movflags": "faststart"} if self.faststart else {}
        with av.open(str(path), "w", options=options) as out:
            x264_options = {
                "crf": "0" if self.lossless else "20",
                "preset": "veryfast",
                "bf": str(self.b_frames),
            }
            codec_options = x264_options if self.codec == "libx264" else {}
            stream = out.add_stream(self.codec, rate=self.rate, options=codec_options)
            stream.width, stream.height, stream.pix_fmt = self.width, self.height, self.pixel_format
            stream.codec_context.time_base = 1 / self.rate if self.times is None else self.tick
            if self.rotation or self.mirrored:
                stream.set_display_rotation(self.rotation, hflip=self.mirrored)
            sound = out.add_stream("aac", rate=48000) if self.audio else None
            if self.chapters:
                second = Fraction(1, 1000)
                chapter = {"id": 1, "start": 0, "end": 100, "time_base": second, "metadata": {"title": "One"}}
                out.set_chapters([chapter])
            out.metadata["title"] = "A made clip"
            for index in range(self.frames):
                picture = av.VideoFrame.from_ndarray(self.picture(index), format="rgb24")
                picture = picture.reformat(format=self.pixel_format)
                picture.pts = self.start + (index if self.times is None else self.times[index])
                picture.time_base = stream.codec_context.time_base
                out.mux(stream.encode(picture))
            out.mux(stream.encode(None))
            if sound is not None:
                self._add_tone(out, sound)
        return path

    def _add_tone(self, out: av.container.OutputContainer, sound: av.audio.stream.AudioStream) -> None:
        samples = int(self.frames / self.rate * 48000)
        wave = (0.2 * np.sin(np.arange(samples) * 2 * np.pi * 440 / 48000)).astype(np.float32)
        for start in range(0, samples, 1024):
            tone = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], format="fltp", layout="mono")
            tone.sample_rate, tone.pts = 48000, start
            out.mux(sound.encode(tone))
        out.mux(sound.encode(None))


def decoded(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def planes(frame: av.VideoFrame) -> list[np.ndarray]:
    """The codes of every plane, without line padding."""
    wide = max(component.bits for component in frame.format.components) > 8
    out = []
    for plane in frame.planes:
        dtype = np.dtype("<u2" if wide else np.uint8)
        lines = np.frombuffer(memoryview(plane), dtype).reshape(plane.height, -1)
        out.append(lines[:, : plane.width].copy())
    return out


def seconds_of(shown: av.VideoFrame | Packet[Stream]) -> Fraction:
    """The time of a frame or a packet that has one."""
    assert shown.pts is not None
    assert shown.time_base is not None
    return shown.pts * shown.time_base


def by_ffmpeg(folder: Path, name: str, *arguments: str) -> Path:
    """A clip written by FFmpeg's own program.

    Args:
        folder: to write it into; file names in the arguments are taken from there.
        name: of the clip.
        arguments: of the program, without its name and the clip.
    """
    run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *arguments, name], check=True, cwd=folder)
    return folder / name


def with_damaged_packets(clip: Path, numbers: tuple[int, ...], *, kind: str = "video") -> Path:
    """Overwrite what some packets of a track hold, in place; numbers count in the file's order."""
    with av.open(str(clip)) as file:
        packets = [p for p in file.demux() if p.size and p.stream.type == kind]
    data = bytearray(clip.read_bytes())
    for number in numbers:
        content = bytes(packets[number])
        place = data.find(content)
        assert place >= 0
        data[place : place + len(content)] = b"\xff" * len(content)
    clip.write_bytes(data)
    return clip
