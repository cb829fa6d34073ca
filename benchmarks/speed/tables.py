"""Results as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from statistics import median
from typing import Any

from speed.claims import Claim, of_network_alone, ratio
from speed.plan import BASELINE, FFMPEG, Plan
from speed.store import Results


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """Plain values, in the form that JSON gives back."""
    values = asdict(plan)
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def document(results: Results, claims: Iterable[Claim]) -> str:
    """Write everything: machine, speed, picture, whole commands, claims."""
    parts = [_machine(results), *_speed(results), _picture(results), _jobs(results), _claims(claims)]
    return "\n\n".join(part for part in parts if part) + "\n"


_KINDS = {
    "amx": "a processor with matrix units for bf16 (AMX)",
    "avx512": "a processor with AVX-512 and without AMX",
    "avx2": "a processor with AVX2 at most",
    "other": "another processor",
}


def page(kind: str, table: str, charts: Iterable[str]) -> str:
    """Write a page of docs/ around a document."""
    by_size, growth = charts
    return (
        f"# Measured on {_KINDS[kind]}\n\n"
        "Written by `make bench BENCH=--publish`; performance.md says what it means.\n\n"
        f"![Seconds for a new frame, by size and contestant]({by_size})\n\n"
        f"![How the time grows with pixels and with the factor]({growth})\n\n{table}"
    )


def _machine(results: Results) -> str:
    rows = [*results["about"]["machine"].items(), ("ffmpeg", results["about"]["ffmpeg"])]
    rows.append(("rounds", f"{results['about']['plan']['runs']}, medians"))
    return _table(("machine", ""), rows)


def _speed(results: Results) -> Iterable[str]:
    head = ("seconds for a new frame", "median", "spread", f"times {BASELINE}", "peak memory, MiB")
    for key, cell in results["cells"].items():
        rows = []
        for name, row in cell["rows"].items():
            if row["error"] is not None:
                rows.append((name, row["error"], "", "", ""))
                continue
            runs = row["runs"]
            times = ratio(results, key, name)
            spread = f"{min(runs):.3f} to {max(runs):.3f}"
            rows.append((name, f"{median(runs):.3f}", spread, _number(times, 2), _number(row["peak_mib"], 0)))
        yield f"### {cell['width']}x{cell['height']}, factor {cell['factor']}\n\n" + _table(head, rows)


def _picture(results: Results) -> str:
    if not results["quality"]:
        return ""
    names = list(dict.fromkeys(name for rows in results["quality"].values() for name in rows))
    head = ["PSNR dB / SSIM, frames held out", *results["quality"], "lowest dB to torch float32"]
    rows = []
    for name in names:
        scores = [rows.get(name, {}) for rows in results["quality"].values()]
        cells = [f"{s['psnr_db']:.3f} / {s['ssim']:.4f}" if "psnr_db" in s else s.get("error", "") for s in scores]
        lowest = [s["to_reference_db"] for s in scores if "to_reference_db" in s]
        rows.append((name, *cells, _number(min(lowest), 1) if lowest else ""))
    return "### The picture\n\n" + _table(head, rows)


def _jobs(results: Results) -> str:
    head = (
        "whole commands, factor 2", "seconds for a new frame", "without start-up", "of network alone",
        f"times {FFMPEG}", "memory, MiB",
    )  # fmt: skip
    parts = []
    for key, job in results["jobs"].items():
        rows, lines = job["rows"], []
        theirs = rows.get(FFMPEG, {}).get("runs", [])
        for name, row in rows.items():
            if row["error"] is not None:
                lines.append((name, row["error"], "", "", "", ""))
                continue
            pairs = list(zip(row["runs"], theirs, strict=False))
            times = median(b / a for a, b in pairs) if pairs else None
            inner = median(row["job_runs"]) if row["job_runs"] else None
            share = of_network_alone(row)
            told = [_number(value, digits) for value, digits in ((median(row["runs"]), 3), (inner, 3), (share, 2))]
            lines.append((name, *told, _number(times, 2), _number(row["peak_mib"], 0)))
        parts.append(f"### Whole commands, {key}\n\n" + _table(head, lines))
    return "\n\n".join(parts)


def _claims(claims: Iterable[Claim]) -> str:
    words = {True: "holds", False: "does not hold", None: ""}
    return "### What must hold\n\n" + _table(
        ("claim", "measured", ""), [(c.text, c.measured, words[c.holds]) for c in claims]
    )


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *map(list, rows)]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "/") for cell in line) + " |" for line in lines)
