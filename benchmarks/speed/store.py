"""Results on disk after every step, so that a run that was interrupted goes on where it stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Results = dict[str, Any]
"""`about` (machine, options), `cells`, `growth`, `quality`, `jobs`, `agreement`, and `done`, the finished steps."""


def opened(path: Path, about: dict[str, Any]) -> Results:
    """Read what a run with the same machine, source and options left unfinished, or begin anew."""
    if path.exists():
        found: Results = json.loads(path.read_text())
        if found.get("about") == about and not found.get("complete"):
            return found
    return {"about": about, "complete": False, "done": [], "cells": {}, "quality": {}, "jobs": {}, "agreement": {}}


def save(path: Path, results: Results) -> None:
    """Write results, whole."""
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(results, indent=1) + "\n")
    temporary.replace(path)
