"""Scores on hidden frames."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

import rife
from rife.assets.samples import sample_path
from rife.errors import JobError
from rife.evaluate.held_out import psnr_db, score_held_out
from rife.interpolation.interpolator import Interpolator
from support.clips import Clip

pytestmark = pytest.mark.slow


def test_psnr_agrees_with_scikit_image() -> None:
    a, b = torch.rand(2, 1, 3, 20, 30)
    codes = [np.rint(x.numpy() * 255).astype(np.uint8) for x in (a, b)]
    assert psnr_db(a, b) == pytest.approx(peak_signal_noise_ratio(codes[0], codes[1], data_range=255), abs=1e-6)
    assert psnr_db(a, a) == math.inf


def test_too_short(tmp_path: Path, blender: Interpolator) -> None:
    with pytest.raises(JobError, match="at least 3 frames"):
        score_held_out(Clip(frames=2).make(tmp_path), {"blend": blender})


def test_refinement_is_worth_it_on_a_real_clip() -> None:
    """The default model's refinement gains at least 0.4 dB over the first 60 frames of the sample clip."""
    workers = {refine: rife.load(refine=refine, device="cpu", engine="native") for refine in ("off", "full")}
    scores = {s.method: s for s in score_held_out(sample_path("bikes"), workers, frames=60)}
    assert scores["full"].frames == 29
    assert scores["full"].psnr_db - scores["off"].psnr_db >= 0.4
    assert scores["full"].psnr_db - scores["linear blend"].psnr_db >= 6


@pytest.mark.parametrize("model", ["3.8", "3.5"])
def test_older_models_are_better_than_blending(model: str) -> None:
    """At least 3 dB above linear blending on the sample clip."""
    worker = rife.load(model, device="cpu", engine="native")
    scores = {s.method: s for s in score_held_out(sample_path("bikes"), {model: worker}, frames=60)}
    assert scores[model].psnr_db - scores["linear blend"].psnr_db >= 3
