"""What a child process can do with a model that its parent has loaded before `fork`.

A fork copies memory, and of the threads only the one that called it. What waits for the others waits for ever: the
thread teams of OpenMP that PyTorch uses, our own helpers, and locks that another thread held at that moment. In the
child, PyTorch therefore works on one thread, our own teams and locks are made anew, and a child that was forked in the
middle of another thread's work is told what to do instead.
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
    """What holds threads or locks."""

    def after_fork(self) -> None:
        """Make them anew, in a child."""


@dataclass
class _State:
    """Of this process.

    Attributes:
        working: calls in progress, by thread.
        is_torn: it was forked while another thread was at work.
    """

    working: dict[int, int] = field(default_factory=dict)
    is_torn: bool = False


_holders: WeakSet[Renewed] = WeakSet()
_state = _State()


def renew(holder: Renewed) -> None:
    """Remember something that holds threads or locks, for as long as it lives."""
    _holders.add(holder)


@cache
def watch() -> None:
    """Prepare children of this process; called where the first model is loaded, not on import."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_begin_child)


def settle() -> None:
    """Refuse to go on in a child that cannot.

    Raises:
        JobError: says what to do.
    """
    if _state.is_torn:
        raise JobError(
            "this process was forked while another thread of its parent was making a frame, and would wait for ever. "
            'Fork while no frame is being made, or start processes with "spawn" and load the model there.'
        )


def guarded(method: _Method) -> _Method:
    """Tell which threads are at work in a method, and refuse where it would wait for ever."""

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
    """Runs in every child, in the thread that forked: the only one that there is."""
    own = threading.get_ident()
    _state.is_torn = _state.is_torn or any(thread != own for thread in _state.working)
    _state.working = {own: _state.working[own]} if own in _state.working else {}
    for holder in list(_holders):
        holder.after_fork()
    # The threads that OpenMP had in the parent are waited for by any work that is shared out.
    torch.set_num_threads(1)
