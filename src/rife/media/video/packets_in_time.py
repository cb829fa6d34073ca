"""Packets of an open file in its order, with times from the start of the file, continuous over discontinuities."""

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
"""Number of failed reads in a row after which a file counts as unreadable."""


class PacketsInTime:
    """Reader of packets one by one; it can continue after a position that cannot be read."""

    def __init__(
        self,
        container: InputContainer,
        streams: Sequence[Stream] | None,
        *,
        start_ticks: Callable[[Stream], int],
        joins: bool,
    ) -> None:
        """Begin at the current position of the container.

        Args:
            container: an open file.
            streams: tracks to read; all if None.
            start_ticks: start time of the file in ticks of a track.
            joins: whether the format allows timestamp discontinuities.
        """
        self._container, self._streams, self._start_ticks = container, streams, start_ticks
        self._demuxed = self._begun()
        self._failed_reads = 0
        self._joined = JoinedClocks(self._read) if joins else None

    @property
    def jumps(self) -> Sequence[Jump]:
        """The discontinuities so far."""
        return () if self._joined is None else tuple(self._joined.jumps)

    def next(self) -> Packet[Stream] | None:
        """The next packet; at the end an empty packet for each track, then None.

        Raises:
            av.FFmpegError: the file cannot be read at this position.
            LookupError: a track begins that is not in the header of the file.
        """
        return self._read() if self._joined is None else self._joined.next()

    def may_go_on(self, error: Exception) -> bool:
        """Continue after a failed read, and return whether there may be more packets."""
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
    """Whether an edit list removes the packet; packets just before zero are needed to prime an audio decoder."""
    return packet.is_discard and end_seconds(packet) < _PRIMING_SECONDS


def end_seconds(packet: Packet[Stream]) -> Fraction:
    """End time of a packet, in seconds."""
    ticks = (packet.pts if packet.pts is not None else packet.dts or 0) + (packet.duration or 0)
    return ticks * packet.time_base
