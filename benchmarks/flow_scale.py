"""How well each flow scale follows a camera that moves: PSNR of the middle frame of synthetic pans, as a table.

    python benchmarks/flow_scale.py

A pan is a window that moves over a still of the sample clip bigbuckbunny, so that the middle frame is known.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import islice

import rife
from rife.assets.samples import sample_path
from rife.evaluate.held_out import psnr_db
from rife.media.colour.convert import to_rgb
from rife.media.video.reader import VideoReader
from rife.options import FlowScale

PANS_PX = (8, 30, 60, 90, 130, 160, 200, 240, 300)
SCALES: tuple[FlowScale, ...] = ("2", "1", "0.5", "0.25", "auto")
WINDOW = (512, 768)


def main() -> None:
    with VideoReader(sample_path("bigbuckbunny")) as reader:
        pictures = (frame.picture for frame in reader.frames())
        still = to_rgb(next(islice(pictures, 60, None)))
    height, width = WINDOW
    for model in ("4.0", "3.8"):
        print(f"\n| {model}: pan, px | " + " | ".join(SCALES) + " | auto took |")
        print("|---" * (len(SCALES) + 2) + "|")
        workers = {scale: rife.load(model, scale=scale) for scale in SCALES}
        for pan in PANS_PX:
            before, truth, after = (still[..., 100 : 100 + height, 20 + s : 20 + s + width] for s in (0, pan // 2, pan))
            cells = []
            for worker in workers.values():
                pair = worker.prepare(before), worker.prepare(after)
                (made,) = worker.between(*pair, [Fraction(1, 2)])
                cells.append(f"{psnr_db(made.cpu(), truth):.1f}")
            print(f"| {pan} | " + " | ".join(cells) + f" | {worker.flow_scale(*pair):g} |")


if __name__ == "__main__":
    main()
