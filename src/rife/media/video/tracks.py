"""The source's other tracks, chapters and titles: copied packet by packet into the output.

Whether an output holds a track, its muxer is asked. Text that it takes in another form only is converted; nothing else
is encoded again.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import cast

import av
from av.container import OutputContainer
from av.format import Flags
from av.packet import Packet
from av.rational import AVRational
from av.stream import AttachmentStream, Disposition, Stream

from rife.errors import MediaError
from rife.media.measure import TrackSpan, track_spans
from rife.media.video.audio_stretch import StretchedSound
from rife.media.video.containers import CONTAINERS
from rife.media.video.muxers import (
    Strictness,
    copied_stream,
    holds,
    holds_attachments,
    holds_cover,
    needed_strictness,
    reason_of,
)
from rife.media.video.reader import VideoReader
from rife.media.video.subtitles import ConvertedSubtitles, form_for, is_text
from rife.options import Sound

_LATEST_TICK = 2**60
_LONGEST_SECONDS = 86400
"""A subtitle that says to last longer does not know its end."""

_SHOWN_SECONDS = 5
"""How long such a subtitle is shown where a container has to be told, and none comes after it."""

_PICTURE_TYPES = {
    "mjpeg": ("cover.jpg", "image/jpeg"),
    "png": ("cover.png", "image/png"),
    "gif": ("cover.gif", "image/gif"),
    "bmp": ("cover.bmp", "image/bmp"),
    "tiff": ("cover.tiff", "image/tiff"),
    "webp": ("cover.webp", "image/webp"),
}
"""Names and types of covers that are attached as files."""


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
        self._converted: list[ConvertedSubtitles] = []
        self._dropped: set[int] = set()
        self._incomplete: set[int] = set()
        self._left_out: set[int] = set()

    @property
    def written(self) -> list[int]:
        """Numbers of the source's tracks that have one in the output."""
        encoded = (*(sound.source_index for sound in self._stretched), *(text.source_index for text in self._converted))
        return sorted([*self._copies, *encoded])

    def begin_again(self, *, without: set[int], why: str) -> None:
        """Forget what was done for a file that could not be written.

        Args:
            without: numbers of the source's tracks that the next file does not get.
            why: it could not be written.
        """
        self.notes.clear()
        self._copies.clear()
        self._stretched.clear()
        self._converted.clear()
        self._dropped.clear()
        self._incomplete.clear()
        self._left_out = without
        for stream in self._source.other_streams:
            if stream.index in without:
                self.notes.append(f"{_label(stream)} is not copied: with it, {why}")

    def labels(self) -> list[str]:
        """Name every track."""
        return [_label(stream) for stream in self._source.other_streams]

    def strictness(self, suffix: str) -> Strictness:
        """How far the muxer of an output has to go to hold the tracks.

        Args:
            suffix: ending of the output.
        """
        muxer = CONTAINERS[suffix].muxer
        copied = (stream for stream in self._source.other_streams if stream.type == "audio" and self._slowdown == 1)
        return "experimental" if "experimental" in {needed_strictness(muxer, stream) for stream in copied} else "normal"

    def add_to(self, file: OutputContainer, suffix: str) -> None:
        """Create the tracks in an output file that has its picture track, and was opened with `strictness`.

        Args:
            file: not yet begun.
            suffix: its ending.
        """
        container = self._source.container
        chapters = container.chapters()
        for stream in self._source.other_streams:
            if stream.index in self._left_out or self._is_known_otherwise(stream):
                continue
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
        read = self._read_texts()
        texts = (self._text(converted, read[converted.source_index]) for converted in self._converted)
        return heapq.merge(self._copied(), *sounds, *texts, key=decoding_seconds)

    def _copied(self) -> Iterator[Packet[Stream]]:
        decoded_at: dict[int, int] = {}
        latest: dict[int, int | None] = {}
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
                if not _takes_any_times(packet.stream):
                    self._end_subtitle(packet)
                    _keep_growing(packet, after=latest.get(index))
                latest[index] = packet.dts
                yield packet
        except MediaError as err:
            self.notes.append(str(err))
            self._incomplete.update(self._copies)

    def _end_subtitle(self, packet: Packet[Stream]) -> None:
        """Give an end to a subtitle that tells none; MP4 leaves a last packet without a duration out."""
        seconds = (packet.duration or 0) * packet.time_base
        if packet.stream.type != "subtitle" or 0 < seconds <= _LONGEST_SECONDS:
            return
        left = (self._source.info.duration_seconds or 0) * self._slowdown - decoding_seconds(packet)
        shown = min(left, Fraction(_SHOWN_SECONDS)) if left > 0 else Fraction(_SHOWN_SECONDS)
        packet.duration = max(1, floor(shown / packet.time_base))

    def _slower(self, sound: StretchedSound) -> Iterator[Packet[Stream]]:
        try:
            yield from sound.packets()
        except (av.FFmpegError, MediaError, ValueError) as err:
            self._miss(sound.source_index, reason_of(err))
        if sound.damaged_packets:
            self._miss(sound.source_index, f"{sound.damaged_packets} of its packets are damaged, or fall back in time")

    def _read_texts(self) -> dict[int, list[Packet[Stream]]]:
        """The packets of all text that is converted: small, and read in one go."""
        read: dict[int, list[Packet[Stream]]] = {text.source_index: [] for text in self._converted}
        try:
            for packet in self._source.packets(read) if read else ():
                read[packet.stream.index].append(packet)
        except MediaError as err:
            self.notes.append(str(err))
        return read

    def _text(self, text: ConvertedSubtitles, packets: list[Packet[Stream]]) -> Iterator[Packet[Stream]]:
        try:
            yield from text.packets(packets)
        except (av.FFmpegError, ValueError) as err:
            self._miss(text.source_index, reason_of(err))
        if text.damaged_packets:
            self._miss(text.source_index, f"{text.damaged_packets} of its packets are damaged, or not in UTF-8")
        if text.lost:
            lost = ", ".join(sorted(text.lost))
            label = _label(self._stream(text.source_index))
            self.notes.append(f"{label}: lost in {text.form}: {lost}; the text and its times are kept")

    def _stream(self, index: int) -> Stream:
        return next(stream for stream in self._source.other_streams if stream.index == index)

    def _is_known_otherwise(self, stream: Stream) -> bool:
        """Whether all that a track says is written elsewhere: titles of chapters in MP4, and timecodes."""
        if stream.type != "data":
            return False
        timecode = stream.metadata.get("timecode")
        return bool(self._source.container.chapters()) or (
            timecode is not None and timecode == self._source.stream.metadata.get("timecode")
        )

    def _miss(self, index: int, why: str) -> None:
        """Note once that something of a track of the source is not in the output."""
        if index not in self._incomplete:
            self.notes.append(f"{_label(self._stream(index))} is not whole: {why}")
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
        muxer = CONTAINERS[suffix].muxer
        if isinstance(stream, AttachmentStream):
            if not holds_attachments(muxer):
                return f"{suffix} cannot hold attached files{_others(suffix, holds_attachments)}"
            file.add_attachment(stream.name or "attachment", stream.mimetype or "application/octet-stream", stream.data)
            return ""
        if stream.disposition & Disposition.attached_pic:
            return self._add_cover(file, stream, suffix)
        if stream.type not in ("audio", "subtitle"):
            return "only sound, subtitles, covers and attached files are"
        slower = stream.type == "audio" and self._slowdown != 1
        if slower and self._sound == "drop":
            return "the output is slower, and sound is dropped, not stretched"
        try:
            if slower:
                codec = CONTAINERS[suffix].stretched_audio_codec
                stretched = StretchedSound(self._source, stream, file, slowdown=self._slowdown, codec=codec)
                self._stretched.append(stretched)
                return ""
            if not holds(muxer, stream, strictness=self.strictness(suffix)):
                return self._convert(file, stream, suffix)
            copy = copied_stream(file, stream)
        except (av.FFmpegError, ValueError) as err:
            return reason_of(err)
        copy.metadata.update(stream.metadata)
        copy.disposition = stream.disposition
        self._copies[stream.index] = copy
        return ""

    def _convert(self, file: OutputContainer, stream: Stream, suffix: str) -> str:
        """Create a track for text in another form; the reason if it is no text, or there is no such form."""
        form = form_for(CONTAINERS[suffix].muxer, stream) if is_text(stream) else None
        if form is None:
            return f"{suffix} cannot hold it{_others(suffix, lambda muxer: holds(muxer, stream))}"
        text = ConvertedSubtitles(stream, file, form=form, slowdown=self._slowdown)
        self._converted.append(text)
        self.notes.append(f"{_label(stream)} is converted to {form}: {suffix} holds text in that form")
        return ""

    def _add_cover(self, file: OutputContainer, stream: Stream, suffix: str) -> str:
        """Create a cover, in the container's own way or as an attached file; the reason if neither can be."""
        try:
            cover = next((packet for packet in self._source.packets([stream.index]) if packet.size), None)
        except MediaError as err:
            return str(err)
        if cover is None:
            return "it holds no picture"
        muxer, kind = CONTAINERS[suffix].muxer, _PICTURE_TYPES.get(_codec_name(stream))
        if holds_cover(muxer, stream, cover):
            copy = copied_stream(file, stream)
            copy.metadata.update(stream.metadata)
            copy.disposition = stream.disposition
            self._copies[stream.index] = copy
            return ""
        if kind is not None and holds_attachments(muxer):
            name, media_type = kind
            file.add_attachment(stream.metadata.get("filename", name), media_type, bytes(cover))
            return ""

        def can_hold(other: str) -> bool:
            return holds_cover(other, stream, cover) or (kind is not None and holds_attachments(other))

        return f"{suffix} cannot hold covers{_others(suffix, can_hold)}"


def container_with_sound(path: Path, usual: str) -> str:
    """The ending of a video file that holds all sound of a source.

    Args:
        path: the source; what is no video file has no sound.
        usual: the ending to take if it can be.
    """
    try:
        with VideoReader(path) as source:
            sounds = [stream for stream in source.other_streams if stream.type == "audio"]
            for suffix in (usual, ".mkv", ".mov", ".mp4"):
                if all(needed_strictness(CONTAINERS[suffix].muxer, sound) is not None for sound in sounds):
                    return suffix
    except MediaError:
        pass
    return usual


def decoding_seconds(packet: Packet[Stream]) -> Fraction:
    """When a decoder needs a packet."""
    return (packet.dts if packet.dts is not None else packet.pts or 0) * packet.time_base


def _others(suffix: str, can_hold: Callable[[str], bool]) -> str:
    """Say which other outputs hold what this one does not; each of them was tried."""
    endings = {row.muxer: ending for ending, row in reversed(CONTAINERS.items())}
    able = [ending for muxer, ending in reversed(endings.items()) if ending != suffix and can_hold(muxer)]
    return f"; {' and '.join(able)} can" if able else ", and no other output can"


def _codec_name(stream: Stream) -> str:
    return stream.codec_context.codec.canonical_name if stream.codec_context else stream.type


def _label(stream: Stream) -> str:
    return f"{stream.type} track {stream.index} ({_codec_name(stream)})"


def _takes_any_times(stream: Stream) -> bool:
    """Whether packets of a track may share a time, and need not tell how long they last."""
    return bool(stream.container.format.flags & cast("int", Flags.ts_nonstrict.value))


def _keep_growing(packet: Packet[Stream], *, after: int | None) -> None:
    """Count a packet's times in the output's ticks, and move the packet a tick on where it shares one.

    Matroska counts milliseconds, in which short packets share a time; MP4 takes no two packets at one.
    """
    if packet.stream.time_base is None:
        return
    packet.rescale_ts(AVRational(packet.stream.time_base))
    if packet.dts is not None and after is not None and packet.dts <= after:
        packet.dts = after + 1
        packet.pts = packet.dts if packet.pts is None else max(packet.pts, packet.dts)


def _scale(packet: Packet[Stream], slowdown: Fraction) -> None:
    for name in ("pts", "dts", "duration"):
        value = getattr(packet, name)
        if value is not None:
            setattr(packet, name, floor(value * slowdown))
