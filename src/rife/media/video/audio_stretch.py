"""Audio for slow motion: stretched at the same pitch by FFmpeg's atempo filter.

The timestamps of the audio are preserved: each span without a gap is stretched separately and begins at its own scaled
time. Gaps become silence, which every player plays in time; many players ignore a jump of packet timestamps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import cast

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.filter import Graph
from av.packet import Packet
from av.stream import Stream

from rife.media.measure import TrackSpan
from rife.media.video.onsets import is_heard
from rife.media.video.reader import VideoReader

_SLOWEST_STEP = Fraction(1, 2)
"""Slowest tempo of one atempo filter with good quality; slower tempos take several filters in a row."""

_DRIFT_SECONDS = Fraction(1, 20)
"""Largest overlap or distance of packets that comes from rounded times; a longer distance is a gap."""

_LEAST_HOLE_SECONDS = Fraction(1, 5)
"""Shortest silence that the check of the finished file distinguishes from a pause between two words."""

_LONGEST_SECONDS = Fraction(24 * 3600)
"""Longest plausible gap in the audio of a file without a stated duration."""

Samples = npt.NDArray[np.float32]


@dataclass
class _AudibleSpan:
    """Time span of the source's audio, in source seconds; the finished file is compared with it.

    Attributes:
        start: time of the first sample; None before it.
        end: end of the last sample.
        resumes: times at which audio is audible immediately after a gap.
    """

    start: Fraction | None = None
    end: Fraction = Fraction(0)
    resumes: list[Fraction] = field(default_factory=list)

    def add(self, when: Fraction | None, samples: Samples, rate: int) -> None:
        """Add samples that begin at a time, or directly after the last samples."""
        when = self.end if when is None else when
        if not len(samples):
            return
        if self.start is None:
            self.start = when
        elif when - self.end > _LEAST_HOLE_SECONDS and is_heard(samples[: rate // 20]):
            self.resumes.append(when)
        self.end = when + Fraction(len(samples), rate)


class StretchedAudio:
    """An audio track of the source, stretched, as a new track of the output."""

    def __init__(
        self, source: VideoReader, stream: Stream, file: OutputContainer, *, slowdown: Fraction, codec: str
    ) -> None:
        """Create the track.

        Args:
            source: reader of the source.
            stream: audio track of the source.
            file: output, before its header is written.
            slowdown: output seconds for each source second.
            codec: FFmpeg's name of the encoder.

        Raises:
            ValueError: the output cannot hold audio.
        """
        self._source, self.source_index, self._slowdown = source, stream.index, slowdown
        self.damaged_packets = 0
        self._audible = _AudibleSpan()
        template = cast("AudioStream", stream).codec_context
        self._rate = _nearest_rate(codec, template.sample_rate)
        # For each number of channels, the encoders support one layout only, with side or back speakers.
        self._channels = template.layout.nb_channels
        self._layout = _LAYOUTS.get(self._channels, template.layout.name)
        self._copy = cast("AudioStream", file.add_stream(codec, rate=self._rate))
        self._copy.codec_context.layout = self._layout
        self._copy.codec_context.bit_rate = 96_000 * self._channels
        self._copy.metadata.update(stream.metadata)
        self._copy.disposition = stream.disposition

    def span(self) -> TrackSpan:
        """Time span of the audio in the output; valid after all packets were read."""
        start = self._audible.start or Fraction(0)
        # Encoders and filters round to their own frame sizes.
        return TrackSpan(
            start * self._slowdown,
            (self._audible.end - start) * self._slowdown,
            Fraction(1, 8),
            onsets=tuple(when * self._slowdown for when in self._audible.resumes),
        )

    def packets(self) -> Iterator[Packet[Stream]]:
        """Yield the encoded packets in order."""
        written: int | None = None
        for position, samples in self._positioned():
            for part in _blocks(samples, self._rate) if written is None else self._joined(samples, position - written):
                if written is None:
                    written = position
                frame = self._frame(part)
                frame.pts, frame.time_base = written, Fraction(1, self._rate)
                written += frame.samples
                yield from cast("list[Packet[Stream]]", self._copy.encode(frame))
        if written is not None:
            yield from cast("list[Packet[Stream]]", self._copy.encode(None))

    def _joined(self, samples: Samples, gap: int) -> Iterator[Samples]:
        """Prepend silence to samples that begin `gap` samples late, or drop the first samples if `gap` is negative."""
        for first in range(0, gap, self._rate):
            yield np.zeros((min(self._rate, gap - first), samples.shape[1]), np.float32)
        yield from _blocks(samples[max(0, -gap) :], self._rate)

    def _positioned(self) -> Iterator[tuple[int, Samples]]:
        """Yield stretched samples with the index of the first one in the output."""
        graph: Graph | None = None
        begun, position, taken = Fraction(0), 0, 0
        for start, samples in self._sound():
            if start is not None:
                if graph is not None:
                    yield from self._rest(graph, position, end=begun + Fraction(taken, self._rate))
                graph, begun, taken = self._graph(), start, 0
                position = self._output_sample(begun)
            if graph is None:
                raise RuntimeError("the first samples have no time")
            graph.push(self._frame(samples))
            taken += len(samples)
            for slow in _pulled(graph):
                yield position, slow
                position += len(slow)
        if graph is not None:
            yield from self._rest(graph, position, end=begun + Fraction(taken, self._rate))

    def _rest(self, graph: Graph, position: int, *, end: Fraction) -> Iterator[tuple[int, Samples]]:
        """Yield the rest of a filter's samples, up to the end of its audio in source seconds."""
        # The filter drops samples that do not fill its window; silence fills it.
        graph.push(self._frame(np.zeros((self._rate // 5, self._channels), np.float32)))
        graph.push(None)
        limit = self._output_sample(end)
        for slow in _pulled(graph):
            part = slow[: max(0, limit - position)]
            if len(part):
                yield position, part
            position += len(part)

    def _output_sample(self, seconds: Fraction) -> int:
        return round(seconds * self._slowdown * self._rate)

    def _frame(self, samples: Samples) -> AudioFrame:
        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout=self._layout)
        frame.sample_rate = self._rate
        return frame

    def _sound(self) -> Iterator[tuple[Fraction | None, Samples]]:
        """Yield the samples of the source, (N, channels); the time in seconds is set for the first ones after a gap."""
        position: Fraction | None = None
        for start, samples in self._decoded():
            when = self._believed(start)
            drift = Fraction(0) if when is None or position is None else when - position
            if position is None:
                when = max(Fraction(0), when or Fraction(0))
                samples = samples[round((when - (start or when)) * self._rate) :]
            elif drift < -_DRIFT_SECONDS:
                samples = samples[round(-drift * self._rate) :]
            self._audible.add(when if drift >= -_DRIFT_SECONDS else None, samples, self._rate)
            if not len(samples):
                continue
            after_hole = position is None or drift > _DRIFT_SECONDS
            position = (when if after_hole and when is not None else position or Fraction(0)) + Fraction(
                len(samples), self._rate
            )
            yield when if after_hole else None, samples

    def _believed(self, start: Fraction | None) -> Fraction | None:
        """A time of the source; None if it is implausible."""
        audible = self._audible
        if start is not None and audible.start is not None and start - audible.end > self._longest_hole:
            self.damaged_packets += 1
            return None
        return start

    @property
    def _longest_hole(self) -> Fraction:
        stated = self._source.info.duration_seconds
        return _LONGEST_SECONDS if stated is None else stated

    def _decoded(self) -> Iterator[tuple[Fraction | None, Samples]]:
        """Yield decoded samples in one format with their time in seconds."""
        latest: int | None = None
        resampler: av.AudioResampler | None = None
        kind: object = None
        for packet in self._source.packets([self.source_index]):
            if packet.dts is not None:
                self.damaged_packets += latest is not None and packet.dts < latest
                latest = packet.dts
            for frame in self._frames(packet):
                if resampler is None or kind != (frame.format.name, frame.layout.name, frame.sample_rate):
                    kind = frame.format.name, frame.layout.name, frame.sample_rate
                    resampler = av.AudioResampler(format="flt", layout=self._layout, rate=self._rate)
                when = None if frame.pts is None else frame.pts * (frame.time_base or Fraction(0))
                frame.pts = None
                for alike in resampler.resample(frame):
                    yield when, _samples(alike)
                    when = None

    def _frames(self, packet: Packet[Stream]) -> list[AudioFrame]:
        try:
            return cast("list[AudioFrame]", packet.decode())
        except av.FFmpegError:
            self.damaged_packets += 1
            return []

    def _graph(self) -> Graph:
        graph = Graph()
        steps = math.ceil(math.log(self._slowdown, 1 / _SLOWEST_STEP))
        nodes = [
            graph.add_abuffer(
                sample_rate=self._rate, format="flt", layout=self._layout, time_base=Fraction(1, self._rate)
            )
        ]
        nodes += [graph.add("atempo", f"{float(1 / self._slowdown) ** (1 / steps):.9f}") for _ in range(steps)]
        nodes.append(graph.add("abuffersink"))
        graph.link_nodes(*nodes).configure()
        return graph


_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""Channel layouts that the encoders of stretched audio support, by number of channels."""


def _nearest_rate(encoder: str, rate: int) -> int:
    """The lowest sample rate of an encoder that is not below the source's, or the encoder's highest."""
    rates = sorted(av.Codec(encoder, "w").audio_rates or [rate])
    return next((known for known in rates if known >= rate), rates[-1])


def _blocks(samples: Samples, most: int) -> Iterator[Samples]:
    yield from (samples[i : i + most] for i in range(0, len(samples), most))


def _samples(frame: AudioFrame) -> Samples:
    """Samples (N, channels) of a frame of packed floats."""
    return cast("Samples", frame.to_ndarray()).reshape(-1, frame.layout.nb_channels)


def _pulled(graph: Graph) -> Iterator[Samples]:
    while True:
        try:
            frame = graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return
        yield _samples(cast("AudioFrame", frame))
