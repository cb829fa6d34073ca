"""Sound for slow motion: everything is heard at its time, slower, holes included."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest

from rife.errors import FinishedFileError
from rife.interpolation.interpolator import Interpolator
from rife.media.video.onsets import onsets
from rife.pipeline import interpolate_video
from support.clips import Clip

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


def with_sound(folder: Path, suffix: str, sound: list[str], *, seconds: int = 4) -> Path:
    """Two frames a second, and a tone through FFmpeg's options."""
    picture = Clip(frames=2 * seconds, rate=Fraction(2)).make(folder, "picture")
    path = folder / f"film{suffix}"
    command = [FFMPEG, "-v", "error", "-i", str(picture), "-f", "lavfi", "-i", f"sine=440:d={seconds}", "-c:v", "copy"]
    subprocess.run([*command, *sound, str(path)], check=True)
    return path


def heard(path: Path) -> list[tuple[float, float]]:
    """Stretches of time in which there is sound."""
    found: list[list[float]] = []
    with av.open(str(path)) as file:
        for frame in file.decode(audio=0):
            samples = frame.to_ndarray()
            samples = np.abs(samples.reshape(-1, frame.layout.nb_channels) if samples.shape[0] == 1 else samples.T)
            peaks = samples.max(axis=1)
            for i in range(0, len(peaks), 100):
                when = float(frame.pts * frame.time_base) + i / frame.sample_rate
                if peaks[i : i + 100].max() > 0.02:
                    if not found or when - found[-1][1] > 0.1:
                        found.append([when, when])
                    found[-1][1] = when
    return [(start, end) for start, end in found]


HOLE = "aselect='not(between(t,1,2))'"
SOUNDS = {
    "a hole": (".mkv", ["-af", HOLE, "-c:a", "aac"], 2),
    "a hole in MP4": (".mp4", ["-af", HOLE, "-c:a", "aac"], 2),
    "several holes": (
        ".mkv",
        ["-af", "aselect='not(between(t,0.5,1)+between(t,1.5,1.8)+between(t,2.2,3.6))'", "-c:a", "aac"],
        4,
    ),
    "a late start": (".mkv", ["-af", "aselect='gt(t,1.3)'", "-c:a", "aac"], 1),
    "a late start and a hole in MP4": (
        ".mp4",
        ["-af", "aselect='between(t,0.7,1.5)+gt(t,2.5)'", "-c:a", "aac"],
        2,
    ),
    "5.1": (".mkv", ["-af", f"pan=5.1|c0=c0|c4=c0,{HOLE}", "-c:a", "ac3"], 2),
    "5.1 with side speakers": (".mkv", ["-af", f"pan=5.1(side)|c0=c0,{HOLE}", "-c:a", "ac3"], 2),
    "stereo of both signs": (".mkv", ["-af", f"pan=stereo|c0=c0|c1=-1*c0,{HOLE}", "-c:a", "flac"], 2),
    "Opus": (".mkv", ["-af", HOLE, "-c:a", "libopus"], 2),
    "a high sample rate": (".mkv", ["-af", f"{HOLE},aresample=192000", "-c:a", "flac"], 2),
    "packets that overlap a little": (
        ".mkv",
        ["-af", f"{HOLE},asetpts='PTS-mod(N\\,2)*100'", "-c:a", "pcm_s16le"],
        2,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SOUNDS))
def test_what_is_heard_at_a_time_is_heard_at_that_time_slower(name: str, tmp_path: Path, blender: Interpolator) -> None:
    """Holes were once closed: everything after them was heard seconds early."""
    suffix, options, stretches = SOUNDS[name]
    source, output = with_sound(tmp_path, suffix, options), tmp_path / "out.mkv"
    result = interpolate_video(source, output, slowmo="2", audio="stretch", interpolator=blender)
    assert (result.notes, result.check.problems) == ((), ())
    before, after = heard(source), heard(output)
    assert len(before) == len(after) == stretches
    for (start, end), (slow_start, slow_end) in zip(before, after, strict=True):
        assert slow_start == pytest.approx(2 * start, abs=0.03)
        assert slow_end == pytest.approx(2 * end, abs=0.12)


@pytest.mark.slow
@pytest.mark.parametrize(("slow", "suffix"), [("8", ".mp4"), ("1.5", ".webm")])
def test_holes_at_other_speeds_and_in_other_files(
    slow: str, suffix: str, tmp_path: Path, blender: Interpolator
) -> None:
    source, output = with_sound(tmp_path, ".mkv", ["-af", HOLE, "-c:a", "aac"]), tmp_path / f"out{suffix}"
    result = interpolate_video(source, output, slowmo=slow, audio="stretch", interpolator=blender)
    assert result.check.problems == ()
    slower = [float(when) * float(slow) for when in onsets(source, 1)]
    assert [float(when) for when in onsets(output, 1)] == pytest.approx(slower, abs=0.1)
    assert len(slower) == 1


def test_a_hole_that_is_closed_is_found(tmp_path: Path, blender: Interpolator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rife.media.video.audio_stretch._DRIFT_SECONDS", Fraction(10))
    source = with_sound(tmp_path, ".mkv", ["-af", HOLE, "-c:a", "aac"])
    with pytest.raises(FinishedFileError, match=r"does not go on after a hole, expected at 4\.\d+ s"):
        interpolate_video(source, tmp_path / "out.mp4", slowmo="2", audio="stretch", interpolator=blender)
