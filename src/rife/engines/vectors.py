"""Numbers that lie side by side, in the vector registers of whatever processor this is.

A compiler cannot know that what a loop writes is not what it reads next, and leaves such loops to one number at a time.
Here LLVM is told to take them as vectors: the difference is a factor of three to five. Nothing is checked.

In kernels, `load` makes a vector of 16 numbers, which can be added, subtracted and multiplied by others and by numbers;
`store` writes it back; `sloped` is the activation. `add4`, `add8` and `add16` are weighted sums in memory.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, overload, register_model

LANES = 16
"""Numbers in a vector: what AVX-512 holds in one register. Where registers are smaller, LLVM takes several."""

FLOAT, WORD = ir.FloatType(), ir.IntType(32)
VECTOR = ir.VectorType(FLOAT, LANES)

_SUMS_MAY_FUSE = ("contract", "nsz")


def place(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:  # noqa: ANN401
    """Point at an element of an array, counted in elements of its memory."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [offset])


def vector_at(builder: Any, pointer: Any) -> Any:  # noqa: ANN401
    """Read a vector."""
    return builder.load(builder.bitcast(pointer, VECTOR.as_pointer()), align=4)


def store_at(builder: Any, pointer: Any, value: Any) -> None:  # noqa: ANN401
    """Write a vector."""
    builder.store(value, builder.bitcast(pointer, VECTOR.as_pointer()), align=4)


def spread(builder: Any, value: Any, width: int = LANES) -> Any:  # noqa: ANN401
    """Make a vector of one number."""
    floats, words = ir.VectorType(FLOAT, width), ir.VectorType(WORD, width)
    nothing = ir.Constant(floats, ir.Undefined)
    first = builder.insert_element(nothing, value, ir.Constant(WORD, 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(words, [0] * width))


class _Vector(types.Type):
    """The type, as Numba sees it."""

    def __init__(self) -> None:
        super().__init__(name="Vector16")  # type: ignore[no-untyped-call]


_vector = _Vector()


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    """How it lies in a register."""

    def __init__(self, manager: Any, kind: Any) -> None:  # noqa: ANN401
        super().__init__(manager, kind, VECTOR)  # type: ignore[no-untyped-call]


@intrinsic
def load(typing: Any, array: Any, at: Any) -> Any:  # noqa: ANN401
    """Read 16 numbers of a float32 array, from `at` on."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ANN401
        return vector_at(builder, place(context, builder, signature.args[0], *args))

    return _vector(array, types.intp), code


@intrinsic
def store(typing: Any, array: Any, at: Any, vector: Any) -> Any:  # noqa: ANN401
    """Write 16 numbers to a float32 array, from `at` on."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ANN401
        store_at(builder, place(context, builder, signature.args[0], *args[:2]), args[2])
        return context.get_dummy_value()

    return types.void(array, types.intp, _vector), code


@intrinsic
def sloped(typing: Any, vector: Any, slopes: Any) -> Any:  # noqa: ANN401
    """What is negative, times its slope; PReLU, with a slope for each number."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ANN401
        negative = builder.fcmp_ordered("<", args[0], ir.Constant(VECTOR, [0.0] * LANES))
        return builder.select(negative, builder.fmul(*args), args[0])

    return _vector(_vector, _vector), code


def _arithmetic(instruction: str) -> Callable[..., Any]:
    """Make an operation on two vectors, or on a vector and a number."""

    @intrinsic
    def operation(typing: Any, a: Any, b: Any) -> Any:  # noqa: ANN401
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ANN401
            both = [
                value if kind == _vector else spread(builder, value)
                for kind, value in zip(signature.args, args, strict=True)
            ]
            return getattr(builder, instruction)(*both, flags=_SUMS_MAY_FUSE)

        return _vector(*(kind if kind == _vector else types.float32 for kind in (a, b))), code

    return cast("Callable[..., Any]", operation)


def _teach(symbol: Callable[..., Any], operation: Callable[..., Any]) -> None:
    # Numba compares names and annotations of both: neither has any.
    overload(symbol)(
        lambda a, b: (lambda a, b: operation(a, b)) if isinstance(a, _Vector) or isinstance(b, _Vector) else None
    )


for _symbol, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    _teach(_symbol, _arithmetic(_instruction))


def _adding(width: int) -> Callable[..., Any]:
    """Make `add(out, at, source, places, weights)` for `width` numbers.

    It adds to `out`, from `at` on, what stands in `source` from each of the places on, by the place's weight. `out` is
    an array of float32, `source` of float32 or of bf16 in uint16; both are counted in elements of their memory.
    `places` and `weights` are tuples of equal length.
    """
    floats, words = ir.VectorType(FLOAT, width), ir.VectorType(WORD, width)

    def pointer(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:  # noqa: ANN401
        vector = ir.VectorType(context.get_data_type(kind.dtype), width)
        return builder.bitcast(place(context, builder, kind, array, offset), vector.as_pointer())

    def loaded(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:  # noqa: ANN401
        source = pointer(context, builder, kind, array, offset)
        if kind.dtype != types.uint16:
            return builder.load(source, align=4)
        # bf16 is the upper half of a float32.
        upper = builder.shl(builder.zext(builder.load(source, align=2), words), ir.Constant(words, [16] * width))
        return builder.bitcast(upper, floats)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ANN401
        out, at, source, places, weights = args
        kinds = signature.args
        target = pointer(context, builder, kinds[0], out, at)
        total = builder.load(target, align=4)
        for index in range(kinds[3].count):
            read = loaded(context, builder, kinds[2], source, builder.extract_value(places, index))
            weight = spread(builder, builder.extract_value(weights, index), width)
            product = builder.fmul(read, weight, flags=("contract",))
            total = builder.fadd(total, product, flags=("contract",))
        builder.store(total, target, align=4)
        return context.get_dummy_value()

    @intrinsic
    def add(typing: Any, out: Any, at: Any, source: Any, places: Any, weights: Any) -> Any:  # noqa: ANN401
        kinds = ((types.intp, places), (types.float32, weights))
        taken = [types.UniTuple(kind, given.count) for kind, given in kinds]  # type: ignore[no-untyped-call]
        return types.void(out, types.intp, source, *taken), code

    return cast("Callable[..., Any]", add)


add4, add8, add16 = _adding(4), _adding(8), _adding(16)
