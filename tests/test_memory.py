"""Memory does not grow with the length of a clip: measured in a fresh process each, on real 720p frames."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rife.samples import sample_path

MEASURE = """
import resource, sys
import rife

rife.interpolate_video(sys.argv[1], sys.argv[2], interpolator=rife.load(device="cpu"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
"""The default model with its refinement, as `rife interpolate` runs it."""


def shortened(source: Path, frames: int, target: Path) -> Path:
    import av

    with av.open(str(source)) as clip, av.open(str(target), "w") as out:
        stream = out.add_stream("libx264", rate=clip.streams.video[0].average_rate, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for index, frame in enumerate(clip.decode(video=0)):
            if index == frames:
                break
            frame.pict_type = 0
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return target


def peak_bytes(source: Path, output: Path) -> int:
    command = [sys.executable, "-c", MEASURE, str(source), str(output)]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(run.stdout) * 1024


def test_120_frames_take_no_more_memory_than_30(tmp_path: Path) -> None:
    clip = sample_path("bigbuckbunny")
    peaks = {}
    for frames in (30, 120):
        source = shortened(clip, frames, tmp_path / f"{frames}.mp4")
        peaks[frames] = peak_bytes(source, tmp_path / f"{frames}_2x.mp4")
    assert peaks[120] - peaks[30] < 100e6, peaks
