"""Records of tensors that share a batch (tuples and lists of tensors and None), split and joined by sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from torch import Tensor

RecordT = TypeVar("RecordT")


def select_rows(record: RecordT, mark: Tensor) -> RecordT:
    """Select the samples that `mark` (B,) marks, in every tensor of a record."""
    return map_tensors(lambda x: x[mark], record)


def join_rows(marked: RecordT, others: RecordT, mark: Tensor) -> RecordT:
    """Join two parts of a batch in order: the samples of `marked` go where `mark` (B,) is true."""

    def join(a: Tensor, b: Tensor) -> Tensor:
        out = a.new_empty(mark.shape[0], *a.shape[1:])
        out[mark], out[~mark] = a, b
        return out

    return map_tensors(join, marked, others)


def map_tensors(function: Callable[..., Tensor], *records: RecordT) -> RecordT:
    """Apply a function to the corresponding tensors of records of the same form: a record of the results."""

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
