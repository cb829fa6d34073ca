"""What the frames look like that are made so fast: PSNR and SSIM on frames held out of real clips."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from skimage.metrics import structural_similarity

from speed.clips import Array, delivered, frames_by_time, held_out, write_halved
from speed.plan import FFMPEG, REFERENCE, Contestant
from speed.rounds import started

_GREY = np.array([0.299, 0.587, 0.114])


def score_clip(
    clip: str,
    count: int,
    contestants: Sequence[Contestant],
    folder: Path,
    *,
    ffmpeg: str | None,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Score every contestant on one clip.

    New frames are put into the clip's own pixel format before they are compared, as a video file would hold them.

    Returns:
        By contestant: `psnr_db` and `ssim` to the hidden frames (means over frames), and `to_reference_db`, the
        lowest PSNR of a frame, unrounded, to the float32 torch engine's; or `error`.
    """
    triples, hidden = held_out(clip, count)
    np.save(folder / "triples.npy", triples)
    results: dict[str, Any] = {}
    made: dict[str, Array] = {}
    for contestant in contestants:
        # One process at a time: nothing is timed here.
        with started([contestant], folder) as (process,):
            out = folder / "made.npy"
            answer = process.ask("make", triples=str(folder / "triples.npy"), out=str(out))
        if "error" in answer:
            results[contestant.name] = {"error": answer["error"]}
        else:
            made[contestant.name] = np.load(out)
        say(f"{clip}: {contestant.name}: {answer}")
    for name, frames in made.items():
        results[name] = _scores(delivered(frames, clip), triples[:, 1])
        if REFERENCE in made and name != REFERENCE:
            results[name]["to_reference_db"] = min(
                psnr_db(a, b, peak=1.0) for a, b in zip(frames, made[REFERENCE], strict=True)
            )
    if ffmpeg is not None:
        results[FFMPEG] = _scores(_minterpolated(clip, hidden, folder, ffmpeg), triples[:, 1])
        say(f"{clip}: {FFMPEG}")
    return results


def _scores(frames: Array, truth: Array) -> dict[str, float]:
    pairs = list(zip(frames, truth, strict=True))
    return {
        "psnr_db": float(np.mean([psnr_db(a, b, peak=255.0) for a, b in pairs])),
        "ssim": float(np.mean([_ssim(a, b) for a, b in pairs])),
        "frames": len(pairs),
    }


def psnr_db(a: Array, b: Array, *, peak: float) -> float:
    """Peak signal-to-noise ratio over all pixels and channels; 200 for equal arrays."""
    error = float(np.square(a.astype(np.float64) - b.astype(np.float64)).mean())
    return 200.0 if error == 0 else float(10 * np.log10(peak**2 / error))


def _ssim(a: Array, b: Array) -> float:
    """Structural similarity of the brightness, with the Gaussian window of the paper (Wang et al. 2004)."""
    return float(
        structural_similarity(
            a @ _GREY, b @ _GREY, data_range=255.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
    )


def _minterpolated(clip: str, hidden: list[int], folder: Path, ffmpeg: str) -> Array:
    """Let ffmpeg double a clip that lost every second frame, and take the frames that it put in their places."""
    source, out = folder / f"{clip}-halved.mp4", folder / f"{clip}-minterpolate.mkv"
    rate = write_halved(clip, source)
    command = [ffmpeg, "-y", "-loglevel", "error", "-i", str(source)]
    command += ["-vf", f"minterpolate=fps={rate}:mi_mode=mci", "-c:v", "ffv1", str(out)]
    subprocess.run(command, check=True)
    return frames_by_time(out, [Fraction(index) / rate for index in hidden])
