"""Hashes of the frames of one job over each sample clip, by PyTorch in float32: equal before and after a change.

python benchmarks/frame_hashes.py > before.txt      # about ten minutes on two cores
python benchmarks/frame_hashes.py > after.txt
diff before.txt after.txt
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

import av

CLIPS = ("bikes", "bigbuckbunny", "carphone")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:] or CLIPS:
            output = Path(folder) / f"{name}.mkv"
            options = ["--engine", "torch", "--precision", "float32", "--codec", "ffv1"]
            command = [sys.executable, "-m", "rife", "interpolate", f"sample:{name}", "-o", str(output), *options]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            digest, frames = hashlib.sha256(), 0
            with av.open(str(output)) as file:
                for frame in file.decode(video=0):
                    digest.update(f"{frame.pts} {frame.format.name}".encode())
                    digest.update(frame.to_ndarray().tobytes())
                    frames += 1
            print(f"{name}: {frames} frames, {digest.hexdigest()}", flush=True)


if __name__ == "__main__":
    main()
