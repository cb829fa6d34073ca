"""Numbers that lie side by side, in the vector registers of whatever processor this is.

A compiler cannot know that what a loop writes is not what it reads next, and leaves such loops to one number at a time.
Here LLVM is told to take them as vectors: the difference is a factor of three to five. Nothing is checked.

In kernels, `load4`, `load8` and `load16` make a vector of an array's numbers, from a place on, counted in elements of
its memory; `store` writes one back. Arrays hold float32, or bf16 in uint16: that is widened when it is read, and
rounded to nearest when it is written, ties to even. Vectors can be added, subtracted and multiplied, by numbers too;
`lower`, `upper`, `unpack4` and `concat` take them apart and put them together; `prelu` is the activation.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import extending, types
from numba.core import cgutils
from numba.extending import models, overload, register_model

LANES = 16
"""Numbers in the widest vector: what AVX-512 holds in one register. Where registers are smaller, LLVM takes several."""

FLOAT, _WORD, _SHORT = ir.FloatType(), ir.IntType(32), ir.IntType(16)
VECTOR = ir.VectorType(FLOAT, LANES)

_SUMS_MAY_FUSE = ("contract", "nsz")


def instruction(described: Callable[..., Any]) -> Callable[..., Any]:
    """A function that kernels can call, from one that tells its types and writes its code (`numba.extending`)."""
    return cast("Callable[..., Any]", extending.intrinsic(described))


def intrinsic_of(builder: Any, name: str, result: Any, *arguments: Any) -> Any:
    """LLVM's own function of a name."""
    found: Any = cgutils.get_or_insert_function  # without types of its own
    return builder.call(found(builder.module, ir.FunctionType(result, [x.type for x in arguments]), name), arguments)


class _Vector(types.Type):
    """The type, as Numba sees it."""

    def __init__(self, width: int) -> None:
        self.width, self.code = width, ir.VectorType(FLOAT, width)
        super().__init__(name=f"Vector{width}")


_VECTORS = {width: _Vector(width) for width in (4, 8, 16)}


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    """How it lies in a register."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, kind.code)  # type: ignore[no-untyped-call]


def place(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    """Point at an element of an array."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [offset])


def vector_at(builder: Any, pointer: Any, code: Any = VECTOR) -> Any:
    """Read a vector of float32."""
    return builder.load(builder.bitcast(pointer, code.as_pointer()), align=4)


def store_at(builder: Any, pointer: Any, value: Any) -> None:
    """Write a vector of float32."""
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer()), align=4)


def splat(builder: Any, value: Any, width: int = LANES) -> Any:
    """Make a vector of one number."""
    nothing = ir.Constant(ir.VectorType(FLOAT, width), ir.Undefined)
    first = builder.insert_element(nothing, value, ir.Constant(_WORD, 0))
    return _shuffled(builder, first, nothing, [0] * width)


def _shuffled(builder: Any, a: Any, b: Any, order: list[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_WORD, len(order)), order))


def _loading(width: int) -> Callable[..., Any]:
    kind = _VECTORS[width]
    words, shorts = ir.VectorType(_WORD, width), ir.VectorType(_SHORT, width)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = place(context, builder, signature.args[0], *args)
        if signature.args[0].dtype != types.uint16:
            return vector_at(builder, pointer, kind.code)
        # bf16 is the upper half of a float32.
        read = builder.load(builder.bitcast(pointer, shorts.as_pointer()), align=2)
        upper_half = builder.shl(builder.zext(read, words), ir.Constant(words, [16] * width))
        return builder.bitcast(upper_half, kind.code)

    @instruction
    def load(typing: Any, array: Any, at: Any) -> Any:
        return kind(array, types.intp), code

    return load


load4, load8, load16 = _loading(4), _loading(8), _loading(16)


@instruction
def store(typing: Any, array: Any, at: Any, vector: Any) -> Any:
    """Write a vector to an array, from `at` on."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer, value = place(context, builder, signature.args[0], *args[:2]), args[2]
        if signature.args[0].dtype == types.uint16:
            value, width = _rounded(builder, value, vector.width), vector.width
            builder.store(value, builder.bitcast(pointer, ir.VectorType(_SHORT, width).as_pointer()), align=2)
        else:
            store_at(builder, pointer, value)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), code


def _rounded(builder: Any, value: Any, width: int) -> Any:
    words = ir.VectorType(_WORD, width)

    def every(number: int) -> Any:
        return ir.Constant(words, [number] * width)

    bits = builder.bitcast(value, words)
    odd = builder.and_(builder.lshr(bits, every(16)), every(1))
    nearest = builder.add(builder.add(bits, every(0x7FFF)), odd)
    return builder.trunc(builder.lshr(nearest, every(16)), ir.VectorType(_SHORT, width))


@instruction
def prelu(typing: Any, vector: Any, slopes: Any) -> Any:
    """What is negative, times its slope; PReLU, with a slope for each number."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        negative = builder.fcmp_ordered("<", args[0], ir.Constant(vector.code, [0.0] * vector.width))
        return builder.select(negative, builder.fmul(*args), args[0])

    return vector(vector, vector), code


def _half(first: bool) -> Callable[..., Any]:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        half = signature.return_type.width
        return _shuffled(builder, args[0], args[0], [lane if first else half + lane for lane in range(half)])

    @instruction
    def half(typing: Any, vector: Any) -> Any:
        return _VECTORS[vector.width // 2](vector), code

    return half


lower, upper = _half(True), _half(False)


@instruction
def unpack4(typing: Any, vector: Any) -> Any:
    """The first four numbers of a vector, as a tuple."""
    kind = types.UniTuple(types.float32, 4)  # type: ignore[no-untyped-call]

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = [builder.extract_element(args[0], ir.Constant(_WORD, index)) for index in range(4)]
        return context.make_tuple(builder, kind, found)

    return kind(vector), code


@instruction
def clamp(typing: Any, vector: Any, high: Any) -> Any:
    """Numbers from 0 up to a limit for each; NaN is 0."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        zeros = ir.Constant(vector.code, [0.0] * vector.width)
        positive = builder.select(builder.fcmp_ordered(">", args[0], zeros), args[0], zeros)
        return builder.select(builder.fcmp_ordered("<", positive, args[1]), positive, args[1])

    return vector(vector, vector), code


@instruction
def trunc(typing: Any, vector: Any) -> Any:
    """Numbers without what follows the point."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return intrinsic_of(builder, f"llvm.trunc.v{vector.width}f32", vector.code, args[0])

    return vector(vector), code


@instruction
def concat(typing: Any, a: Any, b: Any) -> Any:
    """Two vectors as one."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _shuffled(builder, args[0], args[1], list(range(signature.return_type.width)))

    return _VECTORS[2 * a.width](a, b), code


def _arithmetic(name: str) -> Callable[..., Any]:
    """Make an operation on two vectors, or on a vector and a number."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        width = signature.return_type.width
        both = [
            value if isinstance(kind, _Vector) else splat(builder, value, width)
            for kind, value in zip(signature.args, args, strict=True)
        ]
        return getattr(builder, name)(*both, flags=_SUMS_MAY_FUSE)

    @instruction
    def operation(typing: Any, a: Any, b: Any) -> Any:
        kind = a if isinstance(a, _Vector) else b
        return kind(*(x if isinstance(x, _Vector) else types.float32 for x in (a, b))), code

    return operation


def _teach(symbol: Callable[..., Any], operation: Callable[..., Any]) -> None:
    # Numba compares names and annotations of both: neither has any.
    overload(symbol)(
        lambda a, b: (lambda a, b: operation(a, b)) if isinstance(a, _Vector) or isinstance(b, _Vector) else None
    )


for _symbol, _name in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    _teach(_symbol, _arithmetic(_name))
