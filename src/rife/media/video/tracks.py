"""Copying of the source's other tracks, chapters and metadata into the output, packet by packet.

The muxer decides whether the output holds a track. Text that it supports only in another codec is converted, and audio
is stretched in slow motion; nothing else is encoded again.
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
from rife.media.video.audio_stretch import StretchedAudio
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
"""Longest plausible duration of a subtitle; a longer one means an unknown end."""

_SHOWN_SECONDS = 5
"""Duration of a subtitle with an unknown end, if the container requires one."""

_PICTURE_TYPES = {
    "mjpeg": ("cover.jpg", "image/jpeg"),
    "png": ("cover.png", "image/png"),
    "gif": ("cover.gif", "image/gif"),
    "bmp": ("cover.bmp", "image/bmp"),
    "tiff": ("cover.tiff", "image/tiff"),
    "webp": ("cover.webp", "image/webp"),
}
"""File names and media types of covers that are stored as attached files."""


class CopiedTracks:
    """The tracks of a source other than video, on their way into an output, with notes on losses."""

    def __init__(self, source: VideoReader, *, slowdown: Fraction = Fraction(1), sound: Sound = "drop") -> None:
        """Select the tracks of a source.

        Args:
            source: an open file.
            slowdown: output seconds for each source second; times of subtitles and chapters are scaled by it.
            sound: treatment of audio in slow motion.
        """
        self.notes: list[str] = []
        self._source = source
        self._slowdown = slowdown
        self._sound = sound
        self._copies: dict[int, Stream] = {}
        self._stretched: list[StretchedAudio] = []
        self._converted: list[ConvertedSubtitles] = []
        self._dropped: set[int] = set()
        self._incomplete: set[int] = set()
        self._left_out: set[int] = set()

    @property
    def written(self) -> list[int]:
        """Stream indices of the source's tracks that are in the output."""
        encoded = (*(sound.source_index for sound in self._stretched), *(text.source_index for text in self._converted))
        return sorted([*self._copies, *encoded])

    def begin_again(self, *, without: set[int], why: str) -> None:
        """Reset the state after a file that could not be written.

        Args:
            without: stream indices of the source's tracks that the next file leaves out.
            why: reason of the failure.
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
        """Names of all tracks, for messages."""
        return [_label(stream) for stream in self._source.other_streams]

    def strictness(self, suffix: str) -> Strictness:
        """Strictness at which the muxer of an output accepts the audio tracks.

        Args:
            suffix: extension of the output.
        """
        muxer = CONTAINERS[suffix].muxer
        copied = (stream for stream in self._source.other_streams if stream.type == "audio" and self._slowdown == 1)
        return "experimental" if "experimental" in {needed_strictness(muxer, stream) for stream in copied} else "normal"

    def add_to(self, file: OutputContainer, suffix: str) -> None:
        """Create the tracks in an output file that already has its video track, and was opened with `strictness`.

        Args:
            file: output, before its header is written.
            suffix: its extension.
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
        """Yield the packets of all tracks with their final times, nearly in decoding order."""
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
                # No container supports decreasing times; packets after such a packet are valid again.
                if dts < decoded_at.get(index, dts) or abs(dts) > _LATEST_TICK:
                    self._miss(index, "its times decrease or are out of range")
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
        """Set the duration of a subtitle with an unknown end: MP4 drops a last packet without a duration."""
        seconds = (packet.duration or 0) * packet.time_base
        if packet.stream.type != "subtitle" or 0 < seconds <= _LONGEST_SECONDS:
            return
        left = (self._source.info.duration_seconds or 0) * self._slowdown - decoding_seconds(packet)
        shown = min(left, Fraction(_SHOWN_SECONDS)) if left > 0 else Fraction(_SHOWN_SECONDS)
        packet.duration = max(1, floor(shown / packet.time_base))

    def _slower(self, sound: StretchedAudio) -> Iterator[Packet[Stream]]:
        try:
            yield from sound.packets()
        except (av.FFmpegError, MediaError, ValueError) as err:
            self._miss(sound.source_index, reason_of(err))
        if sound.damaged_packets:
            self._miss(
                sound.source_index, f"{sound.damaged_packets} of its packets are damaged or have decreasing times"
            )

    def _read_texts(self) -> dict[int, list[Packet[Stream]]]:
        """Read all packets of the text tracks to convert: they are small."""
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
            self.notes.append(f"{label}: lost in {text.form}: {lost}; the text and its times are preserved")

    def _stream(self, index: int) -> Stream:
        return next(stream for stream in self._source.other_streams if stream.index == index)

    def _is_known_otherwise(self, stream: Stream) -> bool:
        """Whether the content of a data track is stored elsewhere: chapter titles of MP4, and timecodes."""
        if stream.type != "data":
            return False
        timecode = stream.metadata.get("timecode")
        return bool(self._source.container.chapters()) or (
            timecode is not None and timecode == self._source.stream.metadata.get("timecode")
        )

    def _miss(self, index: int, why: str) -> None:
        """Note once that a part of a track of the source is missing in the output."""
        if index not in self._incomplete:
            self.notes.append(f"{_label(self._stream(index))} is incomplete: {why}")
        self._incomplete.add(index)

    def sound_spans(self) -> tuple[TrackSpan | None, ...]:
        """Expected time span of each audio track of the output, in its order; None for an incomplete track."""
        slower = {sound.source_index: sound for sound in self._stretched}
        copied = {index for index, copy in self._copies.items() if copy.type == "audio"}
        try:
            spans = track_spans(self._source.packets(copied))
        except MediaError:
            return (None,) * (len(copied) + len(slower))
        # A damaged packet may decode to fewer samples than stated; stretched audio has the decoded samples.
        spans.update((index, sound.span()) for index, sound in slower.items())
        return tuple(
            None if index in self._incomplete else spans.get(index) for index in sorted(copied | slower.keys())
        )

    def give_up(self, stream: Stream, why: str) -> None:
        """Stop writing a track after an error."""
        if stream.index not in self._dropped:
            self.notes.append(f"{stream.type} track {stream.index} of the output is incomplete ({why})")
        self._dropped.add(stream.index)
        self._incomplete.update(index for index, copy in self._copies.items() if copy.index == stream.index)

    def _add(self, file: OutputContainer, stream: Stream, suffix: str) -> str:
        """Create one track; return the reason if that is impossible, else an empty string."""
        muxer = CONTAINERS[suffix].muxer
        if isinstance(stream, AttachmentStream):
            if not holds_attachments(muxer):
                return f"{suffix} cannot hold attached files{_others(suffix, holds_attachments)}"
            file.add_attachment(stream.name or "attachment", stream.mimetype or "application/octet-stream", stream.data)
            return ""
        if stream.disposition & Disposition.attached_pic:
            return self._add_cover(file, stream, suffix)
        if stream.type not in ("audio", "subtitle"):
            return "only audio, subtitles, covers and attached files are copied"
        slower = stream.type == "audio" and self._slowdown != 1
        if slower and self._sound == "drop":
            return "the output is slower, and audio is dropped, not stretched"
        try:
            if slower:
                codec = CONTAINERS[suffix].stretched_audio_codec
                stretched = StretchedAudio(self._source, stream, file, slowdown=self._slowdown, codec=codec)
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
        """Create a track for text in another codec; return the reason if that is impossible, else an empty string."""
        form = form_for(CONTAINERS[suffix].muxer, stream) if is_text(stream) else None
        if form is None:
            return f"{suffix} cannot hold it{_others(suffix, lambda muxer: holds(muxer, stream))}"
        text = ConvertedSubtitles(stream, file, form=form, slowdown=self._slowdown)
        self._converted.append(text)
        self.notes.append(f"{_label(stream)} is converted to {form}: {suffix} holds text in that codec")
        return ""

    def _add_cover(self, file: OutputContainer, stream: Stream, suffix: str) -> str:
        """Create a cover, as a cover or an attached file; return the reason if both are impossible."""
        try:
            cover = next((packet for packet in self._source.packets([stream.index]) if packet.size), None)
        except MediaError as err:
            return str(err)
        if cover is None:
            return "it holds no image"
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
    """Extension of a container that holds all audio tracks of a source.

    Args:
        path: the source; a source that is no video file has no audio.
        usual: the preferred extension.
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
    """Decoding time of a packet, in seconds."""
    return (packet.dts if packet.dts is not None else packet.pts or 0) * packet.time_base


def _others(suffix: str, can_hold: Callable[[str], bool]) -> str:
    """Text that lists the other containers that hold a track; each of them is tested."""
    endings = {row.muxer: ending for ending, row in reversed(CONTAINERS.items())}
    able = [ending for muxer, ending in reversed(endings.items()) if ending != suffix and can_hold(muxer)]
    return f"; {' and '.join(able)} can" if able else ", and no other output can"


def _codec_name(stream: Stream) -> str:
    return stream.codec_context.codec.canonical_name if stream.codec_context else stream.type


def _label(stream: Stream) -> str:
    return f"{stream.type} track {stream.index} ({_codec_name(stream)})"


def _takes_any_times(stream: Stream) -> bool:
    """Whether packets of a track may have equal times, and no durations."""
    return bool(stream.container.format.flags & cast("int", Flags.ts_nonstrict.value))


def _keep_growing(packet: Packet[Stream], *, after: int | None) -> None:
    """Rescale a packet's times to the output's ticks, and shift a packet that is not later than the previous one.

    Times of short packets become equal in the milliseconds of Matroska; MP4 supports no equal times.
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
