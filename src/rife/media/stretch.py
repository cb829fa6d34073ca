"""Sound for slow motion: longer at the same pitch, by FFmpeg's atempo filter."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import cast

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.filter import Graph
from av.packet import Packet
from av.stream import Stream

from rife.media.reader import VideoReader

_SLOWEST_STEP = Fraction(1, 2)
"""atempo is good down to half the tempo; slower is reached in steps."""

_ENCODERS = {".webm": "libopus"}


class StretchedSound:
    """A sound track of the source, slower, as a new track of the output."""

    def __init__(self, source: VideoReader, stream: Stream, file: OutputContainer, *, slowdown: Fraction) -> None:
        """Create the track.

        Args:
            source: where the sound is.
            stream: its track.
            file: output, not yet begun.
            slowdown: output seconds for each source second.

        Raises:
            ValueError: the output cannot hold sound.
        """
        self._source, self.source_index, self._slowdown = source, stream.index, slowdown
        self.damaged_packets = 0
        self.seconds_decoded = Fraction(0)
        template = cast("AudioStream", stream)
        suffix = ".webm" if file.format.name == "webm" else ""
        rate = 48000 if suffix else template.codec_context.sample_rate
        copy = file.add_stream(_ENCODERS.get(suffix, "aac"), rate=rate)
        self._copy = cast("AudioStream", copy)
        self._copy.codec_context.layout = template.codec_context.layout.name
        self._copy.codec_context.bit_rate = 96_000 * template.codec_context.layout.nb_channels
        self._copy.metadata.update(stream.metadata)
        self._copy.disposition = stream.disposition

    def packets(self) -> Iterator[Packet[Stream]]:
        """Yield the encoded sound in order."""
        samples_out: int | None = None
        resampler = av.AudioResampler(
            format=self._copy.codec_context.format.name,
            layout=self._copy.codec_context.layout,
            rate=self._copy.codec_context.sample_rate,
        )
        for slow in self._slow():
            for frame in resampler.resample(slow):
                if samples_out is None:
                    samples_out = round(self._start_seconds * self._slowdown * frame.sample_rate)
                frame.pts, frame.time_base = samples_out, Fraction(1, frame.sample_rate)
                samples_out += frame.samples
                yield from cast("list[Packet[Stream]]", self._copy.encode(frame))
        if samples_out is not None:
            yield from cast("list[Packet[Stream]]", self._copy.encode(None))

    def _slow(self) -> Iterator[AudioFrame]:
        graph: Graph | None = None
        self._start_seconds = Fraction(0)
        latest: int | None = None
        for packet in self._source.packets([self.source_index]):
            if packet.dts is not None:
                self.damaged_packets += latest is not None and packet.dts < latest
                latest = packet.dts
            for frame in self._decoded(packet):
                self.seconds_decoded += Fraction(frame.samples, frame.sample_rate)
                if graph is None:
                    graph = self._graph(frame)
                    self._start_seconds = max(Fraction(0), Fraction(frame.pts or 0) * (frame.time_base or Fraction(0)))
                graph.push(frame)
                yield from _pulled(graph)
        if graph is not None:
            graph.push(None)
            yield from _pulled(graph)

    def _decoded(self, packet: Packet[Stream]) -> list[AudioFrame]:
        try:
            return cast("list[AudioFrame]", packet.decode())
        except av.FFmpegError:
            self.damaged_packets += 1
            return []

    def _graph(self, first: AudioFrame) -> Graph:
        graph = Graph()
        steps = math.ceil(math.log(self._slowdown, 1 / _SLOWEST_STEP))
        nodes = [
            graph.add_abuffer(
                sample_rate=first.sample_rate,
                format=first.format.name,
                layout=first.layout.name,
                time_base=first.time_base,
            )
        ]
        nodes += [graph.add("atempo", f"{float(1 / self._slowdown) ** (1 / steps):.9f}") for _ in range(steps)]
        nodes.append(graph.add("abuffersink"))
        graph.link_nodes(*nodes).configure()
        return graph


def _pulled(graph: Graph) -> Iterator[AudioFrame]:
    while True:
        try:
            frame = graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return
        yield cast("AudioFrame", frame)
