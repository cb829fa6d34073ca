"""`rife evaluate`: how good a model is on a clip."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from rife.cli.arguments import Arithmetic, Device, Engine, Ensemble, Input, Json, Model, Network, Scale
from rife.cli.report import Reporter
from rife.weights.catalogue import DEFAULT_MODEL


def evaluate(
    source: Input,
    frames: Annotated[int, typer.Option(min=3, help="How many frames of the clip to use.")] = 60,
    model: Model = DEFAULT_MODEL,
    scale: Scale = "1",
    ensemble: Ensemble = False,
    network: Network = None,
    device: Device = "auto",
    engine: Engine = "auto",
    # Not auto: figures are to be the same on every machine.
    precision: Arithmetic = "float32",
    json_lines: Json = False,
) -> None:
    """Hide every second frame of INPUT, make it, and print how close it comes (PSNR).

    Scores the model with and without its refinement, and linear blending.
    """
    reporter = Reporter(json_lines=json_lines)
    with reporter.errors():
        from rife.assets.samples import resolve_input
        from rife.evaluate.held_out import score_held_out
        from rife.interpolation.interpolator import Interpolator
        from rife.interpolation.load import load

        path = resolve_input(source)
        full = load(
            model, scale=scale, ensemble=ensemble, network=network, device=device, engine=engine, precision=precision
        )
        plain = Interpolator(
            full.network,
            refine="off",
            scale=scale,
            ensemble=ensemble,
            device=device,
            engine=engine,
            precision=precision,
        )
        interpolators = {f"{model}, refine off": plain} if full.refine else {}
        interpolators[f"{model}, refine full" if full.refine else model] = full
        for score in score_held_out(path, interpolators, frames=frames):
            # JSON has no infinity: equal frames score null.
            finite = round(score.psnr_db, 4) if math.isfinite(score.psnr_db) else None
            reporter.event("score", method=score.method, psnr_db=finite, frames=score.frames)
            if not json_lines:
                typer.echo(f"{score.method:<24} {score.psnr_db:7.3f} dB   (mean of {score.frames} hidden frames)")
