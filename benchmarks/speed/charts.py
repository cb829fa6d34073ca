"""Results as pictures."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from speed.plan import BASELINE, BLEND
from speed.store import Results

mpl.use("agg")
_COLOURS = {
    "published": "#9a9a9a",
    "rife torch": "#4c78a8",
    "rife native": "#54a24b",
    "rife openvino": "#e4572e",
    "linear": "#c9c9c9",
}


def bars(results: Results, path: Path) -> None:
    """Draw the seconds for a new frame at factor 2: one group of bars for each size."""
    cells = [cell for cell in results["cells"].values() if cell["factor"] == 2 and BASELINE in cell["rows"]]
    figure = Figure(figsize=(10, 1 + 2.2 * max(len(cells), 1)), layout="constrained")
    for axes, cell in zip(figure.subplots(len(cells), 1, squeeze=False)[:, 0], cells, strict=True):
        rows = {name: row["runs"] for name, row in cell["rows"].items() if row["runs"] and name != BLEND}
        middles = {name: median(runs) for name, runs in rows.items()}
        names = list(reversed(middles))
        values = [middles[name] for name in names]
        errors = [[middles[n] - min(rows[n]) for n in names], [max(rows[n]) - middles[n] for n in names]]
        axes.barh(names, values, xerr=errors, color=[_colour(n) for n in names], ecolor="#333333", capsize=2)
        baseline = middles.get(BASELINE)
        for index, value in enumerate(values):
            text = f" {value:.3f} s" + (f"  ({baseline / value:.1f} times as fast)" if baseline else "")
            axes.text(value + errors[1][index], index, text, va="center", fontsize=8)
        axes.set_xlim(0, max(map(sum, zip(values, errors[1], strict=True))) * 1.3)
        axes.set_title(f"{cell['width']}x{cell['height']}, factor 2: seconds for a new frame", fontsize=10)
        axes.tick_params(labelsize=8)
    figure.savefig(path, dpi=110)


def growth(results: Results, path: Path) -> None:
    """Draw how the time for a new frame grows with the pixels, and how it falls with the factor."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    cells = list(results["cells"].values())
    by_pixels = sorted((c for c in cells if c["factor"] == 2), key=lambda c: c["width"] * c["height"])
    _lines(left, by_pixels, lambda c: c["width"] * c["height"] / 1e6)
    left.set(xscale="log", yscale="log", xlabel="megapixels", ylabel="seconds for a new frame", title="factor 2")
    by_factor = sorted((c for c in cells if (c["width"], c["height"]) == (720, 480)), key=lambda c: c["factor"])
    _lines(right, by_factor, lambda c: c["factor"])
    right.set(xlabel="factor", ylim=(0, None), title="720x480")
    right.set_xticks([2, 4, 8])
    left.legend(fontsize=7)
    figure.savefig(path, dpi=110)


def _lines(axes: Any, cells: list[dict[str, Any]], place: Any) -> None:  # noqa: ANN401 (matplotlib's, and a key)
    names = dict.fromkeys(name for cell in cells for name in cell["rows"] if name != BLEND)
    for name in names:
        runs = {place(c): c["rows"][name]["runs"] for c in cells if c["rows"].get(name, {}).get("runs")}
        dashed = "--" if name.endswith("off") else "-"
        axes.plot(
            list(runs), [median(r) for r in runs.values()], dashed, marker="o", ms=4, color=_colour(name), label=name
        )


def _colour(name: str) -> str:
    colour = next((colour for start, colour in _COLOURS.items() if name.startswith(start)), "#777777")
    return "#f2a65a" if "openvino float32" in name else colour
