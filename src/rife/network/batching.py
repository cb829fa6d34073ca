"""Records of tensors that share a batch: tuples and lists of tensors and None, split and put together by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from torch import Tensor

RecordT = TypeVar("RecordT")


def select_rows(record: RecordT, keep: Tensor) -> RecordT:
    """Select the samples that `keep` (B,) marks, in every tensor of a record."""
    return map_tensors(lambda x: x[keep], record)


def join_rows(marked: RecordT, others: RecordT, mark: Tensor) -> RecordT:
    """Put two parts of a batch back in order: the rows of `marked` go where `mark` (B,) is true."""

    def join(a: Tensor, b: Tensor) -> Tensor:
        out = a.new_empty(mark.shape[0], *a.shape[1:])
        out[mark], out[~mark] = a, b
        return out

    return map_tensors(join, marked, others)


def map_tensors(function: Callable[..., Tensor], *records: RecordT) -> RecordT:
    """Make one record of several of the same form: each tensor of it is `function` of theirs."""

    def walk(*parts: object) -> object:
        first = parts[0]
        if isinstance(first, Tensor):
            return function(*parts)
        if isinstance(first, (tuple, list)):
            out = [walk(*fields) for fields in zip(*cast("tuple[list[object], ...]", parts), strict=True)]
            if hasattr(first, "_fields"):
                return cast("Callable[..., object]", type(first))(*out)
            return tuple(out) if isinstance(first, tuple) else out
        return first

    return cast("RecordT", walk(*records))
