"""The source's other tracks, chapters and titles: copied packet by packet into the output, never encoded again."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from fractions import Fraction
from math import floor

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import AttachmentStream, Disposition, Stream

from rife.errors import MediaError
from rife.media.codecs import CONTAINERS
from rife.media.measure import TrackSpan, track_spans
from rife.media.reader import VideoReader
from rife.media.stretch import StretchedSound
from rife.options import Sound

_HOLDS_FILES = (".mkv",)
_HOLDS_COVERS = (".mp4", ".m4v", ".mov")
_LATEST_TICK = 2**60
_PICTURE_TYPES = {"mjpeg": ("cover.jpg", "image/jpeg"), "png": ("cover.png", "image/png")}


class CopiedTracks:
    """What goes from a source into an output beside the picture, and what cannot."""

    def __init__(self, source: VideoReader, *, slowdown: Fraction = Fraction(1), sound: Sound = "drop") -> None:
        """Take the tracks of a source.

        Args:
            source: an open file.
            slowdown: output seconds for each source second; subtitles and chapters are moved accordingly.
            sound: what happens to sound where the output is slower.
        """
        self.notes: list[str] = []
        self._source = source
        self._slowdown = slowdown
        self._sound = sound
        self._copies: dict[int, Stream] = {}
        self._stretched: list[StretchedSound] = []
        self._dropped: set[int] = set()
        self._incomplete: set[int] = set()
        self._left_out: set[int] = set()

    @property
    def written(self) -> list[int]:
        """Numbers of the source's tracks that have one in the output."""
        return sorted([*self._copies, *(sound.source_index for sound in self._stretched)])

    def begin_again(self, *, without: set[int], why: str) -> None:
        """Forget what was done for a file that could not be written.

        Args:
            without: numbers of the source's tracks that the next file does not get.
            why: it could not be written.
        """
        self.notes.clear()
        self._copies.clear()
        self._stretched.clear()
        self._dropped.clear()
        self._incomplete.clear()
        self._left_out = without
        for stream in self._source.other_streams:
            if stream.index in without:
                self.notes.append(f"{_label(stream)} is not copied: with it, {why}")

    def labels(self) -> list[str]:
        """Name every track."""
        return [_label(stream) for stream in self._source.other_streams]

    def add_to(self, file: OutputContainer, suffix: str) -> None:
        """Create the tracks in an output file that has its picture track.

        Args:
            file: not yet begun.
            suffix: its ending.
        """
        container = self._source.container
        chapters = container.chapters()
        for stream in self._source.other_streams:
            if stream.index in self._left_out or (stream.type == "data" and chapters):
                continue  # MP4 keeps the titles of its chapters in such a track
            why_not = self._add(file, stream, suffix)
            if why_not:
                self.notes.append(f"{_label(stream)} is not copied: {why_not}")
        file.metadata.update(container.metadata)
        file.set_chapters(
            [
                {
                    **chapter,
                    "start": floor(chapter["start"] * self._slowdown),
                    "end": floor(chapter["end"] * self._slowdown),
                }
                for chapter in chapters
            ]
        )

    def packets(self) -> Iterator[Packet[Stream]]:
        """Yield the packets of all tracks, ready to be written, nearly in the order of their times."""
        sounds = (self._slower(stretched) for stretched in self._stretched)
        return heapq.merge(self._copied(), *sounds, key=decoding_seconds)

    def _copied(self) -> Iterator[Packet[Stream]]:
        decoded_at: dict[int, int] = {}
        try:
            for packet in self._source.packets(self._copies):
                index = packet.stream.index
                copy = self._copies[index]
                if copy.index in self._dropped:
                    continue
                if self._slowdown != 1:
                    _scale(packet, self._slowdown)
                dts = packet.dts or 0
                # No container takes times that fall back; what comes after such a packet is good again.
                if dts < decoded_at.get(index, dts) or abs(dts) > _LATEST_TICK:
                    self._miss(index, "its times fall back or cannot be")
                    continue
                decoded_at[index] = dts
                packet.stream = copy
                yield packet
        except MediaError as err:
            self.notes.append(str(err))
            self._incomplete.update(self._copies)

    def _slower(self, sound: StretchedSound) -> Iterator[Packet[Stream]]:
        try:
            yield from sound.packets()
        except (av.FFmpegError, MediaError, ValueError) as err:
            self._miss(sound.source_index, str(err))
        if sound.damaged_packets:
            self._miss(sound.source_index, f"{sound.damaged_packets} of its packets are damaged, or fall back in time")

    def _miss(self, index: int, why: str) -> None:
        """Note once that something of a track of the source is not in the output."""
        if index not in self._incomplete:
            stream = next(stream for stream in self._source.other_streams if stream.index == index)
            self.notes.append(f"{_label(stream)} is not whole: {why}")
        self._incomplete.add(index)

    def sound_spans(self) -> tuple[TrackSpan | None, ...]:
        """When each sound track of the output should be heard, in its order; None where a part of it is missing."""
        slower = {sound.source_index: sound for sound in self._stretched}
        copied = {index for index, copy in self._copies.items() if copy.type == "audio"}
        try:
            spans = track_spans(self._source.packets(copied))
        except MediaError:
            return (None,) * (len(copied) + len(slower))
        # A damaged packet may decode to less than it announces, and what is stretched is what was decoded.
        spans.update((index, sound.span()) for index, sound in slower.items())
        return tuple(
            None if index in self._incomplete else spans.get(index) for index in sorted(copied | slower.keys())
        )

    def give_up(self, stream: Stream, why: str) -> None:
        """Leave a track as it is: it could not be written any further."""
        if stream.index not in self._dropped:
            self.notes.append(f"{stream.type} track {stream.index} of the output is incomplete ({why})")
        self._dropped.add(stream.index)
        self._incomplete.update(index for index, copy in self._copies.items() if copy.index == stream.index)

    def _add(self, file: OutputContainer, stream: Stream, suffix: str) -> str:
        """Create one track; the reason if that cannot be."""
        if isinstance(stream, AttachmentStream):
            if suffix not in _HOLDS_FILES:
                return f"{suffix} cannot hold attached files; .mkv can"
            file.add_attachment(stream.name or "attachment", stream.mimetype or "application/octet-stream", stream.data)
            return ""
        if stream.disposition & Disposition.attached_pic:
            return self._add_cover(file, stream, suffix)
        if stream.type not in ("audio", "subtitle"):
            return "only sound, subtitles, covers and attached files are"
        slower = stream.type == "audio" and self._slowdown != 1
        if slower and self._sound == "drop":
            return "the output is slower; --audio stretch keeps sound"
        name = _codec_name(stream)
        if not slower and (name not in file.supported_codecs or name.startswith(CONTAINERS[suffix].cannot_hold)):
            return f"{suffix} cannot hold it; .mkv can"
        try:
            if slower:
                self._stretched.append(StretchedSound(self._source, stream, file, slowdown=self._slowdown))
                return ""
            copy = file.add_stream_from_template(stream)
        except (av.FFmpegError, ValueError) as err:
            return str(err)
        copy.metadata.update(stream.metadata)
        copy.disposition = stream.disposition
        self._copies[stream.index] = copy
        return ""

    def _add_cover(self, file: OutputContainer, stream: Stream, suffix: str) -> str:
        if suffix in _HOLDS_COVERS:
            try:
                copy = file.add_stream_from_template(stream, opaque=True)
            except (av.FFmpegError, ValueError) as err:
                return str(err)
            copy.disposition = stream.disposition
            self._copies[stream.index] = copy
            return ""
        if suffix in _HOLDS_FILES and _codec_name(stream) in _PICTURE_TYPES:
            name, kind = _PICTURE_TYPES[_codec_name(stream)]
            try:
                data = b"".join(bytes(packet) for packet in self._source.packets([stream.index]))
            except MediaError as err:
                return str(err)
            file.add_attachment(stream.metadata.get("filename", name), kind, data)
            return ""
        return f"{suffix} cannot hold it"


def decoding_seconds(packet: Packet[Stream]) -> Fraction:
    """When a decoder needs a packet."""
    return (packet.dts if packet.dts is not None else packet.pts or 0) * packet.time_base


def _codec_name(stream: Stream) -> str:
    return stream.codec_context.codec.canonical_name if stream.codec_context else stream.type


def _label(stream: Stream) -> str:
    return f"{stream.type} track {stream.index} ({_codec_name(stream)})"


def _scale(packet: Packet[Stream], slowdown: Fraction) -> None:
    for name in ("pts", "dts", "duration"):
        value = getattr(packet, name)
        if value is not None:
            setattr(packet, name, floor(value * slowdown))
