"""Hints in the words of the command line: options as `--overwrite`, commands as `rife models`."""

from __future__ import annotations

_COMMANDS = {
    "analyze": '"rife analyze INPUT -o FILE"',
    "fetch": '"rife fetch NAME --from FILE"',
    "models": '"rife models"',
}


def on_the_command_line(name: str, value: object) -> str:
    """The words for an option or a command, given its name, and its value or None."""
    if name in _COMMANDS:
        return _COMMANDS[name]
    flag = "-o" if name == "output" else f"--{name.replace('_', '-')}"
    return flag if value is None or value is True else f"{flag} {value}"
