"""Every error that rife raises on purpose, as one tree under `RifeError`.

A message states what is wrong, what was expected and what was found. The next step is a hint apart from it, which each
interface puts into its own words: `overwrite=True` in Python, `--overwrite` on the command line. Only the command line
prints.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_NAME = re.compile(r"\{(\w+)\}")

COMMANDS = {
    "analyze": "rife.analysis.survey.survey",
    "fetch": "rife.weights.load.fetch(NAME, file=FILE)",
    "models": "rife.network.specs.SPECS",
}
"""Commands that hints name, with what does their work in Python."""


@dataclass(frozen=True)
class Hint:
    """The next step after an error, without the words of an interface.

    Attributes:
        text: one or more sentences; `{name}` stands for an option, or for a key of `COMMANDS`.
        values: the value that an option should have, by its name; any value for options that are not in it.
    """

    text: str
    values: Mapping[str, object] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The options and commands of the text, in order."""
        return tuple(_NAME.findall(self.text))

    def worded(self, word: Callable[[str, object], str]) -> str:
        """The text in the words of an interface.

        Args:
            word: returns the words for an option or a command, given its name, and its value or None.
        """
        return _NAME.sub(lambda found: word(found[1], self.values.get(found[1])), self.text)


REPLACE = Hint("Name another file with {output}, or replace it with {overwrite}.", {"overwrite": True})
"""The hint of every error about a file that exists."""


RESTART = Hint("Begin anew with {restart}.", {"restart": True})
"""The hint of errors about segments that cannot be used."""


def in_python(name: str, value: object) -> str:
    """The words for an option or a command in Python: `overwrite=True`."""
    if name in COMMANDS:
        return COMMANDS[name]
    return f"`{name}`" if value is None else f"{name}={repr(value) if isinstance(value, str) else value}"


class RifeError(Exception):
    """Root of every error that rife raises on purpose.

    Attributes:
        hint: the next step, or None.
    """

    def __init__(self, message: str = "", *, hint: Hint | None = None) -> None:
        """State what is wrong, and keep the hint."""
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        """The message and the hint, in the words of Python."""
        return self.worded(in_python)

    def worded(self, word: Callable[[str, object], str]) -> str:
        """The message and the hint in the words of an interface; see `Hint.worded`."""
        message = super().__str__()
        return message if self.hint is None else f"{message} {self.hint.worded(word)}"


class ShapeError(RifeError, ValueError):
    """A tensor or frame has a shape, channel count, type or values that the network does not support."""


class CheckpointError(RifeError):
    """A weights file cannot be fetched, read, recognised or verified."""


class FetchError(RifeError):
    """A file could not be fetched, or differs from the expected one."""


class MediaError(RifeError):
    """A video cannot be read or written."""


class TruncatedMediaError(MediaError):
    """Decoding stopped before the end that the file announces."""


class JobError(RifeError):
    """A job that is not possible with this input, output, model or option."""


class CancelledError(RifeError):
    """A job was cancelled.

    Attributes:
        folder: where the finished segments of the job are kept, or None.
        segments: their number.
    """

    def __init__(
        self, message: str = "", *, hint: Hint | None = None, folder: Path | None = None, segments: int = 0
    ) -> None:
        """State what was cancelled, and keep what is left of it."""
        super().__init__(message, hint=hint)
        self.folder, self.segments = folder, segments


class EngineFaultError(RifeError):
    """The result of an engine differs from that of PyTorch."""


class OptionError(JobError, ValueError):
    """An option is out of range or contradicts another one, whatever the input is."""


class FinishedFileError(RifeError):
    """A finished file differs from its plan; it is kept under a name that says so.

    Attributes:
        check: what was found (`rife.pipeline.verify.FinishedCheck`), where it was read back.
    """

    def __init__(self, message: str, *, check: object = None) -> None:
        """State what is wrong, and keep what was found."""
        super().__init__(message)
        self.check = check


class MissingExtraError(RifeError, ImportError):
    """An optional library is missing; the message names the command that installs it.

    Attributes:
        library: its name for pip.
        extra: the extra of this package that installs it.
    """

    def __init__(self, *, library: str, extra: str, purpose: str) -> None:
        """Name the missing library and what needs it."""
        # By its own name, which works for a checkout and for a wheel.
        super().__init__(f"{purpose} needs {library}, which is not installed. Run: pip install {library}")
        self.library, self.extra = library, extra
