"""The packets of an open file in its order, with times that count from the file's start and go on over every joint."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from rife.media.video.clock_jumps import JoinedClocks, Jump

_PRIMING_SECONDS = Fraction(-1, 10)
_MOST_FAILED_READS = 100
"""A file that cannot be read so often in a row has nothing more to give."""


class PacketsInTime:
    """Packets one by one; reading can go on behind a place that cannot be read."""

    def __init__(
        self,
        container: InputContainer,
        streams: Sequence[Stream] | None,
        *,
        start_ticks: Callable[[Stream], int],
        joins: bool,
    ) -> None:
        """Begin where the container stands.

        Args:
            container: an open file.
            streams: of which packets are wanted; of all if None.
            start_ticks: where the file starts, on the clock of a track.
            joins: whether the format's clock may jump.
        """
        self._container, self._streams, self._start_ticks = container, streams, start_ticks
        self._demuxed = self._begun()
        self._failed_reads = 0
        self._joined = JoinedClocks(self._read) if joins else None

    @property
    def jumps(self) -> Sequence[Jump]:
        """The joints that were passed so far."""
        return () if self._joined is None else tuple(self._joined.jumps)

    def next(self) -> Packet[Stream] | None:
        """The next packet, an empty one for each track at the end, or None behind these.

        Raises:
            av.FFmpegError: the file cannot be read here.
            LookupError: a track begins that the header of the file does not name.
        """
        return self._read() if self._joined is None else self._joined.next()

    def may_go_on(self, error: Exception) -> bool:
        """Begin to read behind a place that could not be read; whether there may be more."""
        self._failed_reads += 1
        if not isinstance(error, av.FFmpegError) or self._failed_reads > _MOST_FAILED_READS:
            return False
        self._demuxed = self._begun()
        return True

    def _begun(self) -> Iterator[Packet[Stream]]:
        return self._container.demux() if self._streams is None else self._container.demux(list(self._streams))

    def _read(self) -> Packet[Stream] | None:
        packet = next(self._demuxed, None)
        if packet is not None:
            ticks = self._start_ticks(packet.stream)
            packet.pts = None if packet.pts is None else packet.pts - ticks
            packet.dts = None if packet.dts is None else packet.dts - ticks
            if packet.size:
                self._failed_reads = 0
        return packet


def is_cut_off(packet: Packet[Stream]) -> bool:
    """Whether an edit list hides the packet for good; what primes a sound decoder just before zero is needed."""
    return packet.is_discard and end_seconds(packet) < _PRIMING_SECONDS


def end_seconds(packet: Packet[Stream]) -> Fraction:
    """When what a packet holds is over."""
    ticks = (packet.pts if packet.pts is not None else packet.dts or 0) + (packet.duration or 0)
    return ticks * packet.time_base
