"""Clips of many kinds, and ways to damage them: every variant follows from three words, its recipe."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TypeAlias

import av
import imageio_ffmpeg
from av.packet import Packet
from av.stream import Stream

from support.clips import Clip
from support.headers import HEADERS

Recipe = Callable[[Path], Path]
_FRAMES = 12
_HEAD_BYTES = 1500


def _clip(**what: object) -> Recipe:
    return lambda folder: Clip(**{"frames": _FRAMES, "lossless": False, **what}).make(folder)  # type: ignore[arg-type]


def _by_ffmpeg(name: str, *options: str) -> Recipe:
    """A made clip with a tone, encoded by a program that is not ours."""

    def make(folder: Path) -> Path:
        path = folder / name
        picture = f"testsrc2=size=96x64:rate=25:duration={_FRAMES / 25}"
        tone = f"sine=frequency=440:duration={_FRAMES / 25}"
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", picture, "-f", "lavfi"]
        subprocess.run([*command, "-i", tone, "-shortest", *options, str(path)], check=True)
        return path

    return make


def _pictures(folder: Path) -> Path:
    target = folder / "pictures"
    target.mkdir()
    clip = Clip()
    for index in range(6):
        av.VideoFrame.from_ndarray(clip.picture(index), format="rgb24").save(target / f"{index:04d}.png")
    return target


def _with_subtitles(folder: Path) -> Path:
    words = folder / "words.srt"
    words.write_text("1\n00:00:00,000 --> 00:00:00,200\nOne\n\n2\n00:00:00,200 --> 00:00:00,400\nTwo\n")
    sounding = Clip(frames=_FRAMES, audio=True, b_frames=2).make(folder, "sounding")
    path = folder / "subtitles.mkv"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(sounding), "-i", str(words)]
    subprocess.run([*command, "-map", "0", "-map", "1", "-c", "copy", "-c:s", "srt", str(path)], check=True)
    return path


def _turned_and_covered(folder: Path) -> Path:
    """A clip with a display matrix, sound, and a picture that is its cover."""
    cover = folder / "cover.png"
    av.VideoFrame.from_ndarray(Clip().picture(0), format="rgb24").save(cover)
    turned = Clip(frames=_FRAMES, audio=True, rotation=90).make(folder, "turned")
    path = folder / "covered.mp4"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(turned), "-i", str(cover), "-map", "0"]
    subprocess.run([*command, "-map", "1", "-c", "copy", "-disposition:v:1", "attached_pic", str(path)], check=True)
    return path


def cut_short(source: Path, *, frames: int = _FRAMES) -> Recipe:
    """The beginning of a real clip, as it was encoded."""

    def make(folder: Path) -> Path:
        path = folder / f"{source.stem}.mp4"
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(source), "-c", "copy"]
        subprocess.run([*command, "-t", str(frames / 25), str(path)], check=True)
        return path

    return make


MADE: dict[str, Recipe] = {
    "mp4": _clip(audio=True, b_frames=2),
    "mp4 faststart": _clip(audio=True, faststart=True, chapters=True),
    "mov": _clip(audio=True, suffix=".mov", rotation=90),
    "mkv": _with_subtitles,
    "variable mkv": _clip(suffix=".mkv", times=tuple(i * 40 + i * i % 7 for i in range(_FRAMES))),
    "webm": _by_ffmpeg("clip.webm", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-c:a", "libopus"),
    "ts": _by_ffmpeg("clip.ts", "-c:v", "libx264", "-g", "6", "-c:a", "aac"),
    "avi": _by_ffmpeg("clip.avi", "-c:v", "mpeg4", "-c:a", "mp3"),
    "flv": _by_ffmpeg("clip.flv", "-c:v", "flv", "-c:a", "mp3", "-ar", "44100"),
    "gif": _by_ffmpeg("clip.gif", "-an"),
    "y4m": _by_ffmpeg("clip.y4m", "-an", "-pix_fmt", "yuv420p"),
    "h264": _by_ffmpeg("clip.h264", "-an", "-c:v", "libx264", "-g", "6"),
    "webp": _by_ffmpeg("clip.webp", "-an", "-c:v", "libwebp_anim"),
    "apng": _by_ffmpeg("clip.apng", "-an"),
    "pictures": _pictures,
    "turned and covered": _turned_and_covered,
    "3gp": _by_ffmpeg("clip.3gp", "-c:v", "h263", "-s", "176x144", "-c:a", "aac"),
    "wmv": _by_ffmpeg("clip.wmv", "-c:v", "wmv2", "-c:a", "wmav2"),
    "mpg": _by_ffmpeg("clip.mpg", "-c:v", "mpeg2video", "-bf", "2", "-c:a", "mp2"),
    "motion jpeg": _by_ffmpeg("silent.avi", "-c:v", "mjpeg", "-an"),
    "fragments": _by_ffmpeg("clip.mp4", "-c:v", "libx264", "-g", "6", "-c:a", "aac", "-movflags", "frag_keyframe"),
    "avif": _by_ffmpeg("clip.avif", "-an", "-c:v", "libaom-av1", "-cpu-used", "8", "-crf", "40"),
}
"""Recipes of undamaged clips, small ones."""


# --- bytes ---------------------------------------------------------------------------------------------------


def _truncated(data: bytearray, chance: Random) -> bytearray:
    return data[: chance.randrange(len(data))]


def _flip(data: bytearray, chance: Random, first: int, end: int) -> bytearray:
    for _ in range(chance.choice((1, 4, 20))):
        data[chance.randrange(first, max(first + 1, end))] ^= 1 << chance.randrange(8)
    return data


def _flipped_head(data: bytearray, chance: Random) -> bytearray:
    return _flip(data, chance, 0, min(_HEAD_BYTES, len(data)))


def _flipped_tail(data: bytearray, chance: Random) -> bytearray:
    return _flip(data, chance, max(0, len(data) - _HEAD_BYTES), len(data))


def _flipped_anywhere(data: bytearray, chance: Random) -> bytearray:
    return _flip(data, chance, 0, len(data))


def _extreme_number(data: bytearray, chance: Random) -> bytearray:
    """A length, size, time or count in a header that cannot be."""
    ends = chance.random() < 0.5
    place = chance.randrange(max(1, min(_HEAD_BYTES, len(data) - 4)))
    place = max(0, len(data) - 4 - place) if ends else place
    data[place : place + 4] = chance.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\1"))
    return data


def _zeroed_block(data: bytearray, chance: Random) -> bytearray:
    first = chance.randrange(len(data))
    length = min(chance.choice((64, 512, 4096)), len(data) - first)
    data[first : first + length] = bytes(length)
    return data


def _removed_block(data: bytearray, chance: Random) -> bytearray:
    first = chance.randrange(len(data))
    del data[first : first + chance.choice((1, 188, 3000))]
    return data


def _inserted_block(data: bytearray, chance: Random) -> bytearray:
    first = chance.randrange(len(data))
    data[first:first] = chance.randbytes(chance.choice((1, 188, 3000)))
    return data


def _appended_to_itself(data: bytearray, _: Random) -> bytearray:
    """Times jump back in the middle, where the format is a stream."""
    return data + data


BYTES: dict[str, Callable[[bytearray, Random], bytearray]] = {
    "truncated": _truncated,
    "flipped head": _flipped_head,
    "flipped tail": _flipped_tail,
    "flipped anywhere": _flipped_anywhere,
    "extreme number": _extreme_number,
    "zeroed block": _zeroed_block,
    "removed block": _removed_block,
    "inserted block": _inserted_block,
    "appended to itself": _appended_to_itself,
    **HEADERS,
}


# --- packets -------------------------------------------------------------------------------------------------

Packets: TypeAlias = "list[Packet[Stream]]"


def _pick(packets: Packets, chance: Random, kind: str | None = None) -> int:
    return chance.choice([i for i, p in enumerate(packets) if kind is None or p.stream.type == kind])


def _drop(packets: Packets, chance: Random) -> None:
    for _ in range(chance.choice((1, 3))):
        del packets[_pick(packets, chance)]


def _drop_first_picture(packets: Packets, _: Random) -> None:
    del packets[next(i for i, p in enumerate(packets) if p.stream.type == "video")]


def _swap(packets: Packets, chance: Random) -> None:
    """Exchange what two packets of a track contain, but not their times."""
    one = _pick(packets, chance, "video")
    two = _pick(packets, chance, "video")
    first, second = packets[one], packets[two]
    packets[one], packets[two] = _like(first, bytes(second)), _like(second, bytes(first))


def _duplicate(packets: Packets, chance: Random) -> None:
    place = _pick(packets, chance)
    packets.insert(place, _like(packets[place], bytes(packets[place])))


def _damaged_payload(packets: Packets, chance: Random) -> None:
    place = _pick(packets, chance, chance.choice(sorted({p.stream.type for p in packets})))
    data = bytearray(bytes(packets[place]))
    for _ in range(10):
        data[chance.randrange(len(data))] = chance.randrange(256)
    packets[place] = _like(packets[place], bytes(data))


def _empty_payload(packets: Packets, chance: Random) -> None:
    place = _pick(packets, chance)
    packets[place] = _like(packets[place], b"\0")


def _far_ahead(packets: Packets, chance: Random) -> None:
    """A gap of minutes, hours or days after a packet of a track."""
    place = _pick(packets, chance)
    gap = chance.choice((600, 40_000, 10_000_000))
    for packet in packets[place:]:
        if packet.stream is packets[place].stream and packet.time_base:
            ticks = round(gap / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks


def _times_trembling(packets: Packets, chance: Random) -> None:
    """Showing times that are not those of the pictures, in part twice."""
    for packet in packets:
        if packet.pts is not None and packet.dts is not None:
            packet.pts = packet.dts + chance.randrange(3) * (packet.duration or 1)


def _without_times(packets: Packets, chance: Random) -> None:
    for packet in packets:
        if chance.random() < 0.5:
            packet.pts = None


def _without_lengths(packets: Packets, _: Random) -> None:
    for packet in packets:
        packet.duration = 0


PACKETS: dict[str, Callable[[Packets, Random], None]] = {
    "packets dropped": _drop,
    "first picture dropped": _drop_first_picture,
    "packets swapped": _swap,
    "packet twice": _duplicate,
    "packet damaged": _damaged_payload,
    "packet emptied": _empty_payload,
    "gap": _far_ahead,
    "trembling times": _times_trembling,
    "times missing": _without_times,
    "no lengths": _without_lengths,
}
_REMUXED = ("mp4", "mp4 faststart", "mov", "mkv", "variable mkv", "webm", "ts", "avi", "flv")


def _like(packet: Packet[Stream], data: bytes) -> Packet[Stream]:
    copy: Packet[Stream] = Packet(data)
    copy.stream, copy.pts, copy.dts = packet.stream, packet.pts, packet.dts
    copy.time_base, copy.duration, copy.is_keyframe = packet.time_base, packet.duration, packet.is_keyframe
    return copy


def _remuxed(source: Path, target: Path, damage: Callable[[Packets, Random], None], chance: Random) -> None:
    """Write a file again with other packets; what the format refuses is left out."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        tracks = {s.index: new.add_stream_from_template(s) for s in old.streams if s.type != "data"}
        packets = [p for p in old.demux() if p.size and p.stream.index in tracks]
        damage(packets, chance)
        for packet in packets:
            packet.stream = tracks[packet.stream.index]
            try:
                new.mux(packet)
            except (av.FFmpegError, ValueError):
                continue


# --- variants ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Variant:
    """A damaged clip.

    Attributes:
        base: name of an undamaged clip.
        damage: a key of BYTES or PACKETS.
        seed: of its random numbers.
    """

    base: str
    damage: str
    seed: int

    def __str__(self) -> str:
        return f"{self.base}:{self.damage}:{self.seed}"

    def make(self, undamaged: Path, folder: Path) -> Path:
        """Damage a copy of a clip, or of one picture of a folder."""
        chance = Random(str(self))
        path = folder / f"damaged{undamaged.suffix}"
        if self.damage in PACKETS:
            _remuxed(undamaged, path, PACKETS[self.damage], chance)
            return path
        damaged = path
        if undamaged.is_dir():
            shutil.copytree(undamaged, path)
            damaged = chance.choice(sorted(path.iterdir()))
            undamaged = undamaged / damaged.name
        damaged.write_bytes(BYTES[self.damage](bytearray(undamaged.read_bytes()), chance))
        return path


def takes(base: str) -> list[str]:
    """Kinds of damage that a base can take."""
    return [*BYTES, *(PACKETS if base in _REMUXED or base not in MADE else ())]


def variants(bases: list[str], count: int, *, seed: int = 0, damages: list[str] | None = None) -> list[Variant]:
    """Every base with every damage, or some of them, in turn, each time with other random numbers."""
    kinds = [(base, damage) for base in bases for damage in takes(base)]
    all_kinds = [kind for kind in kinds if damages is None or kind[1] in damages]
    order = Random(seed)
    order.shuffle(all_kinds)
    return [Variant(*all_kinds[i % len(all_kinds)], seed + i // len(all_kinds)) for i in range(count)]


def frames_in_file(path: Path) -> tuple[int, str]:
    """Number of pictures that an independent program decodes, and what it complains about."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-map", "0:v:0", "-f", "null"]
    done = subprocess.run(
        [*command, "-fps_mode", "passthrough", "-progress", "-", "-"], capture_output=True, text=True, check=False
    )
    counts = [line.removeprefix("frame=") for line in done.stdout.splitlines() if line.startswith("frame=")]
    # Its rounding of times for an output that is thrown away says nothing of the file.
    # Nor do damaged packets of sound and damaged covers, which are copied as they are.
    ignored = ("[null @", "repeated", "[aac @", "[mp3", "[opus @", "[png @")
    complaints = [line for line in done.stderr.splitlines() if not any(word in line for word in ignored)]
    return (int(counts[-1]) if counts else 0), "; ".join(complaints)
