"""The options of a job on the command line, as `JobSettings` declares them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from rife.pipeline.settings import DeclaredOption, declared_options

_PLACE = inspect.Parameter.KEYWORD_ONLY


def with_job_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a job, after its first two parameters; it takes them as `**options`."""
    signature = inspect.signature(command, eval_str=True)
    own = [
        item.replace(kind=_PLACE)
        for item in signature.parameters.values()
        if item.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    declared = [_parameter(option) for option in declared_options()]
    command.__signature__ = signature.replace(parameters=[*own[:2], *declared, *own[2:]])  # type: ignore[attr-defined]
    return command


def _parameter(option: DeclaredOption) -> inspect.Parameter:
    flag = f"--{option.name.replace('_', '-')}"
    help_text = option.help[0].upper() + option.help[1:] + ("" if option.help.endswith(".") else ".")
    # Values are read by the record: the command line knows words, choices and switches.
    kind: Any = str | None if option.metavar else option.kind
    metavar = option.metavar or None
    annotation = Annotated[kind, typer.Option(flag, help=help_text, metavar=metavar)]
    return inspect.Parameter(option.name, _PLACE, default=option.default, annotation=annotation)
