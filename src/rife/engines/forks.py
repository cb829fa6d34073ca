"""Support for child processes that use a model which their parent has loaded before `fork`.

A fork copies memory, but only the thread that called it. A child that waits for another thread waits for ever: for
PyTorch's OpenMP threads, for our own helpers, and for locks that another thread held. In the child, PyTorch therefore
uses one thread, and our own teams and locks are replaced. A child that was forked while another thread computed a frame
raises an error.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, wraps
from typing import Protocol, TypeVar
from weakref import WeakSet

import torch

from rife.errors import JobError

_Method = TypeVar("_Method", bound=Callable[..., object])


class Renewed(Protocol):
    """An object that holds threads or locks."""

    def after_fork(self) -> None:
        """Replace them, in a child."""


@dataclass
class _State:
    """State of this process.

    Attributes:
        working: calls in progress, by thread.
        is_torn: the process was forked while another thread was in a call.
    """

    working: dict[int, int] = field(default_factory=dict)
    is_torn: bool = False


_holders: WeakSet[Renewed] = WeakSet()
_state = _State()


def renew(holder: Renewed) -> None:
    """Register an object that holds threads or locks, for as long as it lives."""
    _holders.add(holder)


@cache
def watch() -> None:
    """Install the fork handler; called when the first model is loaded, not on import."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_begin_child)


def settle() -> None:
    """Check that this process can compute.

    Raises:
        JobError: it was forked while another thread was in a call.
    """
    if _state.is_torn:
        raise JobError(
            "this process was forked while another thread of its parent was making a frame, and would wait for ever. "
            'Fork while no frame is being made, or start processes with "spawn" and load the model there.'
        )


def guarded(method: _Method) -> _Method:
    """Record the threads that are in a method, and call `settle` first."""

    @wraps(method)
    def call(*args: object, **options: object) -> object:
        settle()
        thread, working = threading.get_ident(), _state.working
        working[thread] = working.get(thread, 0) + 1
        try:
            return method(*args, **options)
        finally:
            working[thread] -= 1
            if not working[thread]:
                del working[thread]

    return call  # type: ignore[return-value]


def _begin_child() -> None:
    """The fork handler: runs in every child, in its only thread."""
    own = threading.get_ident()
    _state.is_torn = _state.is_torn or any(thread != own for thread in _state.working)
    _state.working = {own: _state.working[own]} if own in _state.working else {}
    for holder in list(_holders):
        holder.after_fork()
    # Any parallel region would wait for the parent's OpenMP threads.
    torch.set_num_threads(1)
