"""Conversion of text subtitles to another codec, for containers that cannot hold a copy.

FFmpeg's decoders convert every text to an ASS event, which is the input of its encoders. Formatting that an encoder
drops is found by decoding the encoder's output, and is reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av
from av.codec.context import CodecContext
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.subtitles.codeccontext import SubtitleCodecContext
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import AssSubtitle, SubtitleSet

from rife.media.video.muxers import trial

TEXT_CODECS = ("subrip", "ass", "webvtt", "mov_text")
"""Target codecs, the most widely supported first."""

_NOT_TIMED_BY_PACKETS = ("eia_608",)
"""Captions in which commands, not packets, time the text."""

_ONE_AT_A_TIME = ("mov_text",)
"""Codecs in which an event ends the previous one."""

_ESCAPED = {"webvtt": ((b"&", b"&amp;"), (b"<", b"&lt;"))}
"""Characters that FFmpeg's encoder does not escape, and that a decoder would interpret as markup."""

_MILLISECOND = Fraction(1, 1000)
_LAST_SECONDS = 5
"""Duration of an event without a duration and without a successor."""

_LOOKS = {
    "b": "bold",
    "i": "italic",
    "u": "underline",
    "s": "strike-out",
    "c": "colour",
    "alpha": "colour",
    "fn": "font",
    "fs": "font size",
    "a": "position",
    "an": "position",
    "pos": "position",
    "move": "position",
    "org": "position",
    "k": "karaoke",
    "kf": "karaoke",
    "ko": "karaoke",
    "r": "",
    "p": "",
}
"""Formatting by the override tags of ASS; other tags are reported by their own name."""

_OVERRIDES = re.compile(rb"(\{[^}]*\})")
_TAG = re.compile(rb"\\[0-9]?([a-z]+)")
_DRAWING = re.compile(rb"\{[^}]*\\p[1-9]")
_PLAIN_MARKUP = re.compile(rb"</?[biu]>|<\d[\d:.]*>", re.IGNORECASE)
_MARKUP = re.compile(rb"</?[a-z][^>]*>", re.IGNORECASE)


@dataclass(frozen=True)
class Cue:
    """A subtitle event with its times.

    Attributes:
        start: start in ticks of the source's track.
        end: end in the same ticks.
        event: ASS event without times, as decoded.
    """

    start: int
    end: int
    event: bytes


def is_text(stream: Stream) -> bool:
    """Whether a track has text packets that FFmpeg can decode, each with its time."""
    if stream.type != "subtitle" or stream.codec_context is None:
        return False
    codec = stream.codec_context.codec
    return codec.text_sub and codec.canonical_name not in _NOT_TIMED_BY_PACKETS


def form_for(muxer: str, stream: Stream) -> str | None:
    """The target codec for a text track in a container; None if the container supports none.

    Args:
        muxer: FFmpeg's name of the muxer.
        stream: a track for which `is_text` is true.
    """
    return next((form for form in TEXT_CODECS if _takes(muxer, stream, form)), None)


class ConvertedSubtitles:
    """A subtitle track of the source in another codec, as a new track of the output."""

    def __init__(self, stream: Stream, file: OutputContainer, *, form: str, slowdown: Fraction) -> None:
        """Create the track.

        Args:
            stream: track of the source.
            file: output, before its header is written.
            form: one of `TEXT_CODECS`.
            slowdown: output seconds for each source second.

        Raises:
            ValueError: the output does not support the codec.
            FFmpegError: the track cannot be decoded.
        """
        self.source_index = stream.index
        self.lost: set[str] = set()
        self.form = form
        self.damaged_packets = 0
        self._slowdown = slowdown
        self._decoder = _decoder(stream.codec_context.codec.name, stream.codec_context.extradata)
        self._is_webvtt = stream.codec_context.codec.canonical_name == "webvtt"
        self._styles = _styles(self._decoder.subtitle_header)
        self._plain_style = _styles(_decoder("subrip", None).subtitle_header)["Default"]
        self._track = _new_track(file, self._decoder, form)
        self._track.metadata.update(stream.metadata)
        self._track.disposition = stream.disposition

    def packets(self, source: Iterable[Packet[Stream]]) -> Iterator[Packet[Stream]]:
        """Yield the encoded packets in order.

        Args:
            source: packets of the source's track.
        """
        cues = self._cues(source)
        for cue in _one_at_a_time(cues) if self.form in _ONE_AT_A_TIME else cues:
            packet = self._encoded(cue)
            if packet is not None:
                yield packet

    def _cues(self, source: Iterable[Packet[Stream]]) -> Iterator[Cue]:
        """Decode the track; an event without a duration ends where the next one begins."""
        waiting: Cue | None = None
        for packet in source:
            decoded = self._decoded(packet)
            if decoded is None or packet.pts is None:
                continue
            self._note_settings(packet)
            start = max(packet.pts, 0 if waiting is None else waiting.start)
            self._time_base = packet.time_base
            if waiting is not None:
                yield Cue(waiting.start, waiting.end if waiting.end > waiting.start else start, waiting.event)
                waiting = None
            events = [rect.ass for rect in decoded if isinstance(rect, AssSubtitle)]
            events = [event for event in events if not self._is_drawing(event)]
            if events:
                waiting = Cue(start, start + (packet.duration or 0), _joined(events))
        if waiting is not None:
            end = waiting.end if waiting.end > waiting.start else waiting.start + round(_LAST_SECONDS / self._time_base)
            yield Cue(waiting.start, end, waiting.event)

    def _decoded(self, packet: Packet[Stream]) -> SubtitleSet | None:
        try:
            return self._decoder.decode2(packet) if packet.size else None
        except av.FFmpegError:
            self.damaged_packets += 1
            return None

    def _encoded(self, cue: Cue) -> Packet[Stream] | None:
        event = _escaped(cue.event, self.form)
        coded = bytes(self._track.codec_context.encode_subtitle(SubtitleSet.create(event, 0, 0)))
        self._note_losses(cue.event, coded)
        if not _text(cue.event).strip():
            return None
        packet: Packet[Stream] = Packet(coded)
        packet.stream, packet.time_base, packet.is_keyframe = self._track, self._time_base, True
        packet.pts = packet.dts = round(cue.start * self._slowdown)
        packet.duration = round(cue.end * self._slowdown) - packet.pts
        return packet

    def _is_drawing(self, event: bytes) -> bool:
        drawing = _DRAWING.search(event) is not None
        if drawing:
            self.lost.add("drawings")
        return drawing

    def _note_settings(self, packet: Packet[Stream]) -> None:
        """Note WebVTT features that FFmpeg's decoder ignores."""
        if not self._is_webvtt:
            return
        if packet.has_sidedata("webvtt_settings"):
            self.lost.add("position")
        if _MARKUP.search(_PLAIN_MARKUP.sub(b"", bytes(packet))):
            self.lost.add("classes and voices")

    def _note_losses(self, event: bytes, coded: bytes) -> None:
        """Note formatting of an event that is missing in the encoder's output."""
        decoder = _decoder(self.form, self._track.codec_context.extradata)
        packet: Packet[Stream] = Packet(coded)
        packet.pts, packet.duration, packet.time_base = 0, 1, _MILLISECOND
        back = decoder.decode2(packet) if coded else None
        stored = set().union(*(_looks(rect.ass) for rect in back if isinstance(rect, AssSubtitle))) if back else set()
        self.lost |= _looks(event) - stored
        style = event.split(b",", 3)[2].decode("utf-8", "replace")
        if self.form != "ass" and self._styles.get(style, self._plain_style) != self._plain_style:
            self.lost.add("styles")


def _takes(muxer: str, stream: Stream, form: str) -> bool:
    with trial(muxer) as (file, _):
        try:
            context = stream.codec_context
            _new_track(file, _decoder(context.codec.name, context.extradata), form)
            file.start_encoding()
        except (av.FFmpegError, ValueError):
            return False
    return True


def _new_track(file: OutputContainer, decoder: SubtitleCodecContext, form: str) -> SubtitleStream:
    track = cast("SubtitleStream", file.add_stream(form))
    track.codec_context.subtitle_header = decoder.subtitle_header
    track.codec_context.time_base = track.time_base = _MILLISECOND
    return track


def _decoder(name: str, extradata: bytes | None) -> SubtitleCodecContext:
    decoder = cast("SubtitleCodecContext", CodecContext.create(name, "r"))
    if extradata:
        decoder.extradata = extradata
    decoder.open()
    return decoder


def _one_at_a_time(cues: Iterable[Cue]) -> Iterator[Cue]:
    """Merge overlapping cues: while several are shown, one cue has the text of all."""
    shown: list[Cue] = []
    now = 0
    for cue in cues:
        yield from _segments(shown, now, cue.start)
        shown = [other for other in shown if other.end > cue.start] + [cue]
        now = cue.start
    yield from _segments(shown, now, None)


def _segments(shown: list[Cue], now: int, until: int | None) -> Iterator[Cue]:
    """The cues shown from a time on, split where one of them ends."""
    ends = sorted({cue.end for cue in shown if cue.end > now})
    for end in ends:
        stop = end if until is None else min(end, until)
        if stop > now:
            yield Cue(now, stop, _joined([cue.event for cue in shown if cue.end > now]))
        now = stop


def _joined(events: list[bytes]) -> bytes:
    return b"\\N".join([events[0], *(_text(event, keep_looks=True) for event in events[1:])])


def _text(event: bytes, *, keep_looks: bool = False) -> bytes:
    """The text of an event, after its eighth comma."""
    text = event.split(b",", 8)[-1]
    return text if keep_looks else _OVERRIDES.sub(b"", text)


def _escaped(event: bytes, form: str) -> bytes:
    parts = _OVERRIDES.split(event)
    for character, escape in _ESCAPED.get(form, ()):
        parts[::2] = [part.replace(character, escape) for part in parts[::2]]
    return b"".join(parts)


def _looks(event: bytes) -> set[str]:
    tags = (tag.decode() for block in _OVERRIDES.findall(event) for tag in _TAG.findall(block))
    return {_LOOKS.get(tag, tag) for tag in tags} - {""}


def _styles(header: bytes | None) -> dict[str, str]:
    """The styles of an ASS header by name."""
    lines = (header or b"").decode("utf-8", "replace").splitlines()
    styles = (line.partition(":")[2].strip().partition(",") for line in lines if line.startswith("Style:"))
    return {name.strip(): rest.replace(" ", "") for name, _, rest in styles}
