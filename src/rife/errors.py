"""Every error that rife raises on purpose, as one tree under `RifeError`.

A message says what is wrong, what was expected, what was found, and what to do next. The command line
prints it as it stands; nothing else in the package prints.
"""

from __future__ import annotations


class RifeError(Exception):
    """Root of every error that rife raises on purpose."""


class ShapeError(RifeError, ValueError):
    """A tensor or frame has a shape, channel count, kind or values that the network cannot take."""


class CheckpointError(RifeError):
    """A weights file cannot be fetched, read, recognised or trusted."""


class FetchError(RifeError):
    """A file could not be fetched, or is not the file that was expected."""


class MediaError(RifeError):
    """A video cannot be read or written."""


class TruncatedMediaError(MediaError):
    """Decoding stopped before the end that the file itself announces."""


class JobError(RifeError):
    """What was asked for cannot be done with this input, output, model or setting."""


class EngineFaultError(RifeError):
    """An engine computes something else than PyTorch does."""


class OptionError(JobError, ValueError):
    """A setting has a value that cannot be, or contradicts another one, whatever the input is."""


class FinishedFileError(RifeError):
    """A finished file is not what was planned; it is kept under a name that says so.

    Attributes:
        check: what was found (`rife.pipeline.verify.FinishedCheck`), where it was read back.
    """

    def __init__(self, message: str, *, check: object = None) -> None:
        """Say what is wrong, and keep what was found."""
        super().__init__(message)
        self.check = check


class MissingExtraError(RifeError, ImportError):
    """An optional library is needed; the message names the command that installs it.

    Attributes:
        library: what is missing, by the name that pip knows.
        extra: the extra of this package that it belongs to.
    """

    def __init__(self, *, library: str, extra: str, purpose: str) -> None:
        """Say which library is missing and what it is for."""
        # By its own name: that works beside a checkout and beside a wheel, wherever either came from.
        super().__init__(f"{purpose} needs {library}, which is not installed. Run: pip install {library}")
        self.library, self.extra = library, extra
