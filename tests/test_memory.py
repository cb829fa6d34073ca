"""Memory does not grow with the length of a clip: measured in a fresh process each."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import pytest
from safetensors.torch import save_file

from conftest import blending_network
from rife.assets.samples import sample_path
from rife.network.specs import SPECS
from support.clips import Clip

pytestmark = pytest.mark.slow

MEASURE = """
import resource, sys
import rife

rife.interpolate_video(sys.argv[1], sys.argv[2], interpolator=rife.load(sys.argv[3], device="cpu", engine="native"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
"""As `rife interpolate` runs it on most processors."""


def shortened(source: Path, frames: int, target: Path) -> Path:
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


def peak_bytes(source: Path, output: Path, model: str | Path = "4.0") -> int:
    command = [sys.executable, "-c", MEASURE, str(source), str(output), str(model)]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(run.stdout) * 1024


def test_the_default_model_takes_no_more_for_90_frames_than_for_30(tmp_path: Path) -> None:
    """Real 720p frames, with refinement."""
    clip = sample_path("bigbuckbunny")
    peaks = {}
    for frames in (30, 90):
        source = shortened(clip, frames, tmp_path / f"{frames}.mp4")
        peaks[frames] = peak_bytes(source, tmp_path / f"{frames}_2x.mp4")
    assert peaks[90] - peaks[30] < 100e6, peaks


def test_2000_small_frames_take_no_more_than_300(tmp_path: Path) -> None:
    model = tmp_path / "blend.safetensors"
    save_file(blending_network(SPECS["4.6"]).state_dict(), model)
    peaks = {}
    for frames in (300, 2000):
        source = Clip(frames=frames, width=32, height=32, lossless=False, audio=True).make(tmp_path, f"{frames}")
        peaks[frames] = peak_bytes(source, tmp_path / f"{frames}_2x.mp4", model)
    assert peaks[2000] == pytest.approx(peaks[300], abs=30e6), peaks
