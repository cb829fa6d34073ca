"""A weighted sum of numbers that lie side by side, in the vector registers of whatever processor this is.

A compiler cannot know that what a loop writes is not what it reads next, and leaves such sums to one number at a time.
Here LLVM is told to take them as vectors: the difference is a factor of three to five. Nothing is checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_FLOAT, _WORD = ir.FloatType(), ir.IntType(32)


def _adding(width: int) -> Callable[..., Any]:
    """Make `add(out, at, source, places, weights)` for `width` numbers.

    It adds to `out`, from `at` on, what stands in `source` from each of the places on, by the place's weight. `out` is
    an array of float32, `source` of float32 or of bf16 in uint16; both are counted in elements of their memory.
    `places` and `weights` are tuples of equal length.
    """
    floats, words = ir.VectorType(_FLOAT, width), ir.VectorType(_WORD, width)

    def pointer(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:  # noqa: ANN401
        data = context.make_array(kind)(context, builder, array).data
        vector = ir.VectorType(context.get_data_type(kind.dtype), width)
        return builder.bitcast(builder.gep(data, [offset]), vector.as_pointer())

    def loaded(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:  # noqa: ANN401
        place = pointer(context, builder, kind, array, offset)
        if kind.dtype != types.uint16:
            return builder.load(place, align=4)
        # bf16 is the upper half of a float32.
        upper = builder.shl(builder.zext(builder.load(place, align=2), words), ir.Constant(words, [16] * width))
        return builder.bitcast(upper, floats)

    def spread(builder: Any, value: Any) -> Any:  # noqa: ANN401
        first = builder.insert_element(ir.Constant(floats, ir.Undefined), value, ir.Constant(_WORD, 0))
        return builder.shuffle_vector(first, ir.Constant(floats, ir.Undefined), ir.Constant(words, [0] * width))

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ANN401
        out, at, source, places, weights = args
        kinds = signature.args
        target = pointer(context, builder, kinds[0], out, at)
        total = builder.load(target, align=4)
        for index in range(kinds[3].count):
            read = loaded(context, builder, kinds[2], source, builder.extract_value(places, index))
            weight = spread(builder, builder.extract_value(weights, index))
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
