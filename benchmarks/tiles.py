"""How far a frame made in tiles is from the frame made whole, on every sample clip, as a table.

    python benchmarks/tiles.py

Tiles are of half the frame's longer side, so that there are at least two in each direction where 128 px allow it.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import islice

import rife
from rife.assets.samples import SAMPLES, sample_path
from rife.interpolation.tiling import TILE_STEP_PX
from rife.media.colour.convert import to_rgb
from rife.media.video.reader import VideoReader
from rife.options import MIN_TILE_PX


def main() -> None:
    print("| clip | tile, px | pixels under 1 code value | largest difference, codes |\n|---|---|---|---|")
    for name in SAMPLES:
        with VideoReader(sample_path(name)) as reader:
            first, second = (to_rgb(frame.picture) for frame in islice(reader.frames(), 30, 32))
        tile = max(MIN_TILE_PX, max(first.shape[-2:]) // 2 // TILE_STEP_PX * TILE_STEP_PX)
        made = []
        for side in ("off", tile):
            worker = rife.load(tile=side, engine="torch", device="cpu")
            pair = worker.prepare(first), worker.prepare(second)
            made.append(next(worker.between(*pair, [Fraction(1, 2)])))
        codes = (made[0] - made[1]).abs().amax(1) * 255
        share = float((codes < 1).double().mean())
        print(f"| {name} | {tile} | {100 * share:.3f} % | {float(codes.max()):.4f} |")


if __name__ == "__main__":
    main()
