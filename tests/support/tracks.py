"""Tracks beside the picture, made at run time: sound of many codecs, text and bitmap subtitles."""

from __future__ import annotations

import struct
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
from av.subtitles.subtitle import SubtitleSet


def sound_file(path: Path, codec: str, *, rate: int = 48000, channels: int = 2, picture: str = "mpeg4") -> Path:
    """A file with a picture track and a tone of half a second.

    Args:
        path: of the file.
        codec: FFmpeg name of the sound's encoder.
        rate: samples per second.
        channels: of the sound.
        picture: FFmpeg name of the picture's encoder.
    """
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=0.5"]
    command += ["-f", "lavfi", "-i", f"sine=440:sample_rate={rate}:duration=0.5", "-c:v", picture, "-c:a", codec]
    command += ["-ac", str(channels), "-ar", str(rate), "-strict", "-2", str(path)]
    subprocess.run(command, check=True)
    return path


def speech_file(path: Path) -> Path:
    """A file with a picture track and half a second of silence in AMR, for which few have an encoder."""
    frames = path.with_suffix(".amr")
    frames.write_bytes(b"#!AMR\n" + (b"\x3c" + bytes(31)) * 25)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=0.5"]
    command += ["-i", str(frames), "-c:v", "mpeg4", "-c:a", "copy", str(path)]
    subprocess.run(command, check=True)
    return path


def subtitle_file(path: Path, codec: str, cues: list[tuple[int, int, str]], *, header: bytes | None = None) -> Path:
    """A file with a picture track and text: milliseconds of start and end, and an ASS event without its first fields.

    Args:
        path: of the file.
        codec: FFmpeg name of the subtitle's encoder.
        cues: when each text is shown, and what it says, as ASS.
        header: of ASS; a plain one if not given.
    """
    encoder = "libvpx" if path.suffix == ".webm" else "mpeg4"
    with av.open(str(path), "w") as out:
        video = out.add_stream(encoder, rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        text = out.add_stream(codec)
        text.codec_context.subtitle_header = header or plain_header()
        text.codec_context.time_base = text.time_base = Fraction(1, 1000)
        packets = []
        for index in range(12):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * index, np.uint8), format="rgb24")
            picture = picture.reformat(format="yuv420p")
            picture.pts = index
            packets += video.encode(picture)
        packets += video.encode(None)
        for number, (start, end, said) in enumerate(cues):
            style, _, said = said.rpartition("|")
            event = f"{number},0,{style or 'Default'},,0,0,0,,{said}".encode()
            packet = av.Packet(bytes(text.codec_context.encode_subtitle(SubtitleSet.create(event, 0, 0))))
            packet.stream, packet.time_base = text, Fraction(1, 1000)
            packet.pts = packet.dts = start
            packet.duration = end - start
            packets.append(packet)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            out.mux(packet)
    return path


def plain_header() -> bytes:
    """The ASS header that FFmpeg gives to text without styles."""
    decoder = av.CodecContext.create("subrip", "r")
    decoder.open()
    header = decoder.subtitle_header
    assert header is not None
    return header


def said(path: Path) -> list[tuple[float, float, str]]:
    """Start and end in seconds, and the text, of every cue of a file's first subtitle track."""
    out = []
    with av.open(str(path)) as file:
        stream = file.streams.subtitles[0]
        for packet in file.demux(stream):
            decoded = stream.codec_context.decode2(packet) if packet.size else None
            if decoded is not None:
                start = float(packet.pts * packet.time_base)
                end = float((packet.pts + packet.duration) * packet.time_base)
                out.append((start, end, "\n".join(rect.dialogue.decode() for rect in decoded)))
    return out


def bitmap_subtitles(folder: Path, codec: str, *, suffix: str = ".mkv") -> Path:
    """A file with a picture track and two bitmap subtitles.

    Args:
        folder: for the file.
        codec: `copy` for PGS, or the name of an encoder: dvdsub, dvbsub.
        suffix: ending of the file.
    """
    presentation = folder / "shown.sup"
    presentation.write_bytes(_shown(9000, 1) + _shown(27000, 2))
    path = folder / f"bitmaps_{codec}{suffix}"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=0.5"]
    command += ["-i", str(presentation), "-map", "0", "-map", "1", "-c:v", "mpeg4", "-c:s", codec, str(path)]
    subprocess.run(command, check=True)
    return path


def _shown(pts: int, number: int) -> bytes:
    """The segments of a presentation graphic stream that show a white bar of 16x4 pixels."""

    def segment(kind: int, data: bytes) -> bytes:
        return b"PG" + struct.pack(">IIBH", pts, 0, kind, len(data)) + data

    composition = struct.pack(">HHBHBBBBHBBHH", 64, 48, 0x10, number, 0x80, 0, 0, 1, 0, 0, 0, 20, 30)
    window = struct.pack(">BBHHHH", 1, 0, 20, 30, 16, 4)
    palette = bytes([0, 0, 1, 235, 128, 128, 255])
    lines = (b"\x01" * 16 + b"\x00\x00") * 4
    drawn = struct.pack(">HBB", 0, 0, 0xC0) + (len(lines) + 4).to_bytes(3, "big") + struct.pack(">HH", 16, 4) + lines
    kinds = ((0x16, composition), (0x17, window), (0x14, palette), (0x15, drawn), (0x80, b""))
    return b"".join(segment(kind, data) for kind, data in kinds)


def packets_of(path: Path, index: int) -> list[bytes]:
    """The payloads of a track."""
    with av.open(str(path)) as file:
        return [bytes(packet) for packet in file.demux(file.streams[index]) if packet.size]


def codecs_of(path: Path) -> list[str]:
    """Canonical names of the codecs of all tracks."""
    with av.open(str(path)) as file:
        return [stream.codec_context.codec.canonical_name for stream in file.streams if stream.codec_context]
