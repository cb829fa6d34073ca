"""Output of the commands: a progress bar on a terminal, JSON lines on request, errors, and exit codes.

Exit codes: 0 done, 1 failed, 2 bad usage, 130 interrupted.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rife.cli.words import on_the_command_line
from rife.errors import OptionError, RifeError
from rife.options import readable_bytes

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from rife.pipeline import Forecast, Progress

EXIT_FAILED = 1
EXIT_BAD_USAGE = 2
EXIT_INTERRUPTED = 130
_JSON_INTERVAL_SECONDS = 0.5


class Reporter:
    """Reports what a command does, as text or as JSON lines."""

    def __init__(self, *, json_lines: bool, output_is_piped: bool = False) -> None:
        """Choose between JSON lines on standard output and words on standard error.

        Args:
            json_lines: print JSON lines instead of text.
            output_is_piped: standard output carries the result itself; JSON lines go to standard error.
        """
        self.json_lines = json_lines
        self._lines = sys.stderr if output_is_piped else sys.stdout
        self._interactive = not json_lines and sys.stderr.isatty()
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._last_event_seconds = 0.0
        self._work: Path | None = None

    def event(self, event: str, /, **fields: object) -> None:
        """Print one JSON line, if JSON was asked for."""
        if self.json_lines:
            print(json.dumps({"event": event, **fields}), flush=True, file=self._lines)

    def say(self, text: str) -> None:
        """Print a line on a terminal; silent otherwise."""
        if self._interactive:
            typer.echo(text, err=True)

    def warn(self, text: str) -> None:
        """Print a warning, on a terminal or into a log."""
        self.event("warning", message=text)
        if not self.json_lines:
            typer.echo(f"warning: {text}", err=True)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn errors and Ctrl-C into a message and an exit code, and log records of the package into warnings."""
        log, handler = logging.getLogger("rife"), _WarningHandler(self)
        log.addHandler(handler)
        try:
            yield
        except RifeError as err:
            check = getattr(err, "check", None)
            if check is not None:
                self.event("check", **asdict(check))
            self._fail("error", err.worded(on_the_command_line))
            raise typer.Exit(EXIT_BAD_USAGE if isinstance(err, OptionError) else EXIT_FAILED) from err
        except BrokenPipeError as err:  # the reader of standard output has closed it
            raise typer.Exit(EXIT_FAILED) from err
        except OSError as err:  # an error of the system, with the path that it names
            where = "" if err.filename is None else f"{err.filename}: "
            self._fail("error", f"{where}{err.strerror or err}.")
            raise typer.Exit(EXIT_FAILED) from err
        except KeyboardInterrupt as err:
            kept = self._work is not None and self._work.is_dir()
            kept_where = (
                f"Finished segments are in {self._work}; the same command continues after them."
                if kept
                else "Nothing was kept."
            )
            self._fail("interrupted", f"Interrupted. {kept_where}")
            raise typer.Exit(EXIT_INTERRUPTED) from err
        finally:
            log.removeHandler(handler)

    @contextmanager
    def unfinished(self, work: Path) -> Iterator[None]:
        """Name the folder of the finished segments, if the block is interrupted."""
        self._work = work
        yield
        self._work = None

    @contextmanager
    def progress(self) -> Iterator[None]:
        """Show a progress bar while the block runs, on a terminal."""
        if not self._interactive:
            yield
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description:<8}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("frames"),
            TextColumn("{task.fields[rate]:5.1f} fps"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as self._bar:
            self._task = self._bar.add_task("", total=None, rate=0.0)
            yield
        self._bar = None

    @contextmanager
    def download(self, name: str) -> Iterator[Callable[[int, int | None], None] | None]:
        """Show a progress bar of bytes while the block runs, on a terminal; yields what follows the progress."""
        if not self._interactive:
            yield None
            return
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(name, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)

    def step(self, progress: Progress) -> None:
        """Report the progress of a job."""
        done = progress.frames_done - progress.frames_before + progress.frame_share
        rate = done / progress.seconds if progress.seconds else 0.0
        if self._bar is not None and self._task is not None:
            self._bar.update(
                self._task,
                description=progress.stage,
                completed=progress.frames_done + progress.frame_share,
                total=progress.frames_total,
                rate=rate,
            )
        now = time.monotonic()
        if self.json_lines and now - self._last_event_seconds >= _JSON_INTERVAL_SECONDS:
            self._last_event_seconds = now
            self.event(
                "progress",
                stage=progress.stage,
                frames_done=progress.frames_done,
                frames_total=progress.frames_total,
                frames_per_second=round(rate, 3),
                frame_share=round(progress.frame_share, 3),
            )

    def forecast(self, forecast: Forecast) -> None:
        """Report the forecast of a job."""
        self.event("forecast", **asdict(forecast))
        before = f", {forecast.frames_made_before} of them made before" if forecast.frames_made_before else ""
        room = (
            f"memory: about {readable_bytes(forecast.memory_bytes)}; "
            f"disk: at least {readable_bytes(forecast.disk_bytes)}, {readable_bytes(forecast.disk_free_bytes)} free"
        )
        if forecast.seconds is None:
            self._print(f"{forecast.frames} frames{before}; {room}")
        else:
            self._print(f"about {_duration(forecast.seconds)} for the {forecast.frames_to_make} frames that are left")

    def table(self, rows: dict[str, str]) -> None:
        """Print names and values in two columns."""
        for name, value in rows.items():
            self.say(f"  {name:<26} {value}")

    def _print(self, text: str) -> None:
        """Print a line, above the progress bar if there is one."""
        if self._bar is not None:
            self._bar.console.print(text, highlight=False)
        else:
            self.say(text)

    def _fail(self, event: str, message: str) -> None:
        self.event(event, message=message)
        if not self.json_lines:
            typer.echo(f"rife: {message}", err=True)


class _WarningHandler(logging.Handler):
    """Passes log records on to a reporter."""

    def __init__(self, reporter: Reporter) -> None:
        super().__init__(logging.WARNING)
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        advice = ' Add what "rife doctor" prints.' if getattr(record, "is_fault", False) else ""
        self._reporter.warn(record.getMessage() + advice)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
