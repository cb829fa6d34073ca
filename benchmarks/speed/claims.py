"""What is claimed in docs/performance.md, held against what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

from speed import machine
from speed.plan import BASELINE, FFMPEG, REFERENCE
from speed.store import Results

_LEAST_TIMES_PUBLISHED = {"bf16": (3.5, 3.5, 3.5), "native": (2.0, 2.5, 3.5), "torch": (1.3, 1.3, 1.3)}
"""At 720x480, 1280x720 and 1920x1080."""


@dataclass(frozen=True)
class Claim:
    """One claim.

    Attributes:
        text: what is claimed.
        measured: what came out.
        holds: whether it does; None where it was not measured.
    """

    text: str
    measured: str
    holds: bool | None


def check(results: Results) -> list[Claim]:
    """Check every claim against results."""
    return [
        *_speed(results),
        *_picture(results),
        *_against_ffmpeg(results),
        *_whole_job(results),
        _torch(results),
        *_factor(results),
    ]


def best(results: Results, refine: str) -> str:
    """Name the contestant that the default engine is on this machine, for a refinement mode."""
    names = [name for cell in results["cells"].values() for name in cell["rows"]]
    bf16 = ["rife openvino bf16"] if machine.kind(results["about"]["machine"]) == "amx" else []
    for engine in (*bf16, "rife native float32", "rife torch float32"):
        if f"{engine}, {refine}" in names:
            return f"{engine}, {refine}"
    return f"rife torch float32, {refine}"


def ratio(results: Results, cell: str, name: str, baseline: str = BASELINE) -> float | None:
    """How many times as fast as the baseline: the median over rounds of the ratio within the round."""
    rows = results["cells"].get(cell, {}).get("rows", {})
    ours, theirs = (rows.get(key, {}).get("runs", []) for key in (name, baseline))
    pairs = list(zip(ours, theirs, strict=False))
    return median(b / a for a, b in pairs) if pairs else None


def _speed(results: Results) -> Iterator[Claim]:
    name = best(results, "full")
    # By the kind of engine: with bf16, without, and where only PyTorch is installed.
    least = next(bars for kind, bars in _LEAST_TIMES_PUBLISHED.items() if kind in name)
    for size, bar in zip(("720x480", "1280x720", "1920x1080"), least, strict=True):
        value = ratio(results, f"{size} x2", name)
        yield _claim(f"{name}: at least {bar} times the published network, {size}, factor 2", value, least=bar)


def _picture(results: Results) -> Iterator[Claim]:
    name, most_lost = best(results, "full"), 0.02
    for clip, rows in results["quality"].items():
        row, reference = rows.get(name, {}), rows.get(REFERENCE, {})
        if name != REFERENCE:
            value = row.get("to_reference_db")
            yield _claim(f"{name}: at least 44 dB to float32 torch, worst frame, {clip}", value, least=44, unit="dB")
        known = "psnr_db" in row and "psnr_db" in reference
        lost = reference["psnr_db"] - row["psnr_db"] if known else None
        yield _claim(f"{name}: at most {most_lost} dB lost to the truth, {clip}", lost, most=most_lost, unit="dB")


def _against_ffmpeg(results: Results) -> Iterator[Claim]:
    name = best(results, "full")
    rows: dict[str, Any] = next((job["rows"] for job in results["jobs"].values() if FFMPEG in job["rows"]), {})
    ours, theirs = (rows.get(key, {}).get("runs", []) for key in (name, FFMPEG))
    pairs = list(zip(ours, theirs, strict=False))
    value = median(b / a for a, b in pairs) if pairs else None
    yield _claim(f"{name}: faster than ffmpeg minterpolate, whole commands, 720x480 (ratio)", value, least=1)
    for clip, scores in results["quality"].items():
        known = all("psnr_db" in scores.get(key, {}) for key in (name, FFMPEG))
        gain = scores[name]["psnr_db"] - scores[FFMPEG]["psnr_db"] if known else None
        yield _claim(f"{name}: higher PSNR than ffmpeg minterpolate, {clip} (gain)", gain, least=0, unit="dB")


def of_network_alone(row: dict[str, Any]) -> float | None:
    """The throughput of a whole job, start of the process apart, as a share of the network's alone, round by round."""
    pairs = list(zip(row.get("alone_runs", []), row.get("job_runs", []), strict=False))
    return median(alone / inside for alone, inside in pairs) if pairs else None


def _whole_job(results: Results) -> Iterator[Claim]:
    name = best(results, "full")
    for key, job in results["jobs"].items():
        if job["size"] == "1280x720":
            value = of_network_alone(job["rows"].get(name, {}))
            yield _claim(f"{name}: whole job at least 0.85 of network-only throughput, {key}", value, least=0.85)


def _torch(results: Results) -> Claim:
    values = [v for size in ("720x480", "1280x720") if (v := ratio(results, f"{size} x2", REFERENCE)) is not None]
    difference = results["agreement"].get("largest_difference")
    known = bool(values) and difference is not None
    text = "float32 torch engine: at least 1.3 times the published network, within 1e-4 of it"
    if not known:
        return Claim(text, "not measured", None)
    return Claim(text, f"{min(values):.2f} times, {difference:.1e}", min(values) >= 1.3 and difference <= 1e-4)


def _factor(results: Results) -> Iterator[Claim]:
    name = best(results, "full")
    for size in ("720x480", "1280x720"):
        two, four = (
            results["cells"].get(f"{size} x{k}", {}).get("rows", {}).get(name, {}).get("runs", []) for k in (2, 4)
        )
        pairs = list(zip(two, four, strict=False))
        value = median(3 * b / a for a, b in pairs) if pairs else None
        yield _claim(f"{name}: factor 4 at most 2.7 times factor 2 for an interval, {size}", value, most=2.7)


def _claim(
    text: str, value: float | None, least: float | None = None, *, most: float | None = None, unit: str = ""
) -> Claim:
    if value is None:
        return Claim(text, "not measured", None)
    holds = (least is None or value >= least) and (most is None or value <= most)
    return Claim(text, f"{value:.3f} {unit}".strip(), holds)
