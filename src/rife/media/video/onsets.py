"""Detection of onsets: audio after silence."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream

_HEARD_PEAK = 0.02
"""Smallest peak of audio that is clearly no silence after lossy coding: -34 dB of full scale."""

_SILENT_PEAK = 0.005
"""Largest peak of digital silence after lossy coding: -46 dB of full scale."""

_LEAST_SILENCE_SECONDS = Fraction(1, 10)
_BLOCK_SECONDS = Fraction(1, 100)


def is_heard(samples: npt.NDArray[np.float32]) -> bool:
    """Whether samples in [-1, 1] are audible."""
    return bool(samples.size) and float(np.abs(samples).max()) > _HEARD_PEAK


def onsets(path: Path, index: int) -> list[Fraction]:
    """Times, in seconds, at which audio begins after a tenth of a second or more of silence, or without samples.

    Args:
        path: a media file.
        index: stream index of the audio track.
    """
    found: list[Fraction] = []
    heard_until: Fraction | None = None
    for when, seconds, peak in _blocks(path, index):
        if peak < _SILENT_PEAK:
            continue
        if heard_until is not None and when - heard_until >= _LEAST_SILENCE_SECONDS:
            found.append(when)
        heard_until = when + seconds
    return found


def _blocks(path: Path, index: int) -> Iterator[tuple[Fraction, Fraction, float]]:
    """Yield the start, the duration and the peak of short blocks of samples."""
    with av.open(str(path.absolute())) as file:
        stream = file.streams[index]
        if not isinstance(stream, AudioStream):
            return
        resampler = av.AudioResampler(format="flt")
        for frame in file.decode(stream):
            start = (frame.pts or 0) * (frame.time_base or Fraction(0))
            rate, channels = frame.sample_rate, frame.layout.nb_channels
            samples = [alike.to_ndarray().ravel() for alike in resampler.resample(frame)]
            peaks = np.abs(np.concatenate(samples)).reshape(-1, channels).max(axis=1) if samples else np.zeros(0)
            step = max(1, int(_BLOCK_SECONDS * rate))
            for i in range(0, len(peaks), step):
                block = peaks[i : i + step]
                yield start + Fraction(i, rate), Fraction(len(block), rate), float(block.max())
