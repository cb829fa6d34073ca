"""SIMD vectors of float32 for kernels.

A compiler cannot prove that a loop's writes do not alias its reads, and does not vectorize such loops. These functions
emit vector instructions of LLVM directly, which is three to five times faster. Bounds are not checked.

In kernels, `load4`, `load8` and `load16` read a vector from an array, at an offset in elements; `store` writes one.
Arrays hold float32, or bf16 as uint16, which is widened when read and rounded to nearest, ties to even, when written.
Vectors support +, - and * with vectors and numbers; `lower`, `upper`, `unpack4` and `concat` split and join them;
`prelu` is the activation.
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
"""Width of the widest vector: a register of AVX-512. Where registers are smaller, LLVM uses several."""

FLOAT, _WORD, _SHORT = ir.FloatType(), ir.IntType(32), ir.IntType(16)
VECTOR = ir.VectorType(FLOAT, LANES)

_SUMS_MAY_FUSE = ("contract", "nsz")


def instruction(description: Callable[..., Any]) -> Callable[..., Any]:
    """Build a function for kernels from its description: types and code (`numba.extending.intrinsic`)."""
    return cast("Callable[..., Any]", extending.intrinsic(description))


def intrinsic_of(builder: Any, name: str, result: Any, *arguments: Any) -> Any:
    """Call an intrinsic function of LLVM by name."""
    found: Any = cgutils.get_or_insert_function  # untyped
    return builder.call(found(builder.module, ir.FunctionType(result, [x.type for x in arguments]), name), arguments)


class _Vector(types.Type):
    """The type in Numba's type system."""

    def __init__(self, width: int) -> None:
        self.width, self.code = width, ir.VectorType(FLOAT, width)
        super().__init__(name=f"Vector{width}")


_VECTORS = {width: _Vector(width) for width in (4, 8, 16)}


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    """The type's representation: an LLVM vector."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, kind.code)  # type: ignore[no-untyped-call]


def element_pointer(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    """The address of an element of an array."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [offset])


def vector_at(builder: Any, pointer: Any, code: Any = VECTOR) -> Any:
    """Read a vector of float32."""
    return builder.load(builder.bitcast(pointer, code.as_pointer()), align=4)


def store_at(builder: Any, pointer: Any, value: Any) -> None:
    """Write a vector of float32."""
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer()), align=4)


def splat(builder: Any, value: Any, width: int = LANES) -> Any:
    """Build a vector of equal numbers."""
    nothing = ir.Constant(ir.VectorType(FLOAT, width), ir.Undefined)
    first = builder.insert_element(nothing, value, ir.Constant(_WORD, 0))
    return _shuffled(builder, first, nothing, [0] * width)


def _shuffled(builder: Any, a: Any, b: Any, order: list[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_WORD, len(order)), order))


def _build_load(width: int) -> Callable[..., Any]:
    kind = _VECTORS[width]
    words, shorts = ir.VectorType(_WORD, width), ir.VectorType(_SHORT, width)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = element_pointer(context, builder, signature.args[0], *args)
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


load4, load8, load16 = _build_load(4), _build_load(8), _build_load(16)


@instruction
def store(typing: Any, array: Any, at: Any, vector: Any) -> Any:
    """Write a vector to an array at an offset."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer, value = element_pointer(context, builder, signature.args[0], *args[:2]), args[2]
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
    """PReLU, with a slope for each number."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        negative = builder.fcmp_ordered("<", args[0], ir.Constant(vector.code, [0.0] * vector.width))
        return builder.select(negative, builder.fmul(*args), args[0])

    return vector(vector, vector), code


def _build_half(*, first: bool) -> Callable[..., Any]:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        half = signature.return_type.width
        return _shuffled(builder, args[0], args[0], [index if first else half + index for index in range(half)])

    @instruction
    def half(typing: Any, vector: Any) -> Any:
        return _VECTORS[vector.width // 2](vector), code

    return half


lower, upper = _build_half(first=True), _build_half(first=False)


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
    """Clamp to [0, high], with a limit for each number; NaN becomes 0."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        zeros = ir.Constant(vector.code, [0.0] * vector.width)
        positive = builder.select(builder.fcmp_ordered(">", args[0], zeros), args[0], zeros)
        return builder.select(builder.fcmp_ordered("<", positive, args[1]), positive, args[1])

    return vector(vector, vector), code


@instruction
def trunc(typing: Any, vector: Any) -> Any:
    """Round towards zero."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return intrinsic_of(builder, f"llvm.trunc.v{vector.width}f32", vector.code, args[0])

    return vector(vector), code


@instruction
def concat(typing: Any, a: Any, b: Any) -> Any:
    """Concatenate two vectors."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _shuffled(builder, args[0], args[1], list(range(signature.return_type.width)))

    return _VECTORS[2 * a.width](a, b), code


def _build_arithmetic(name: str) -> Callable[..., Any]:
    """Build an operation on two vectors, or on a vector and a number."""

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


def _overload(symbol: Callable[..., Any], operation: Callable[..., Any]) -> None:
    # Numba compares parameter names and annotations of both functions: lambdas have no annotations.
    overload(symbol)(
        lambda a, b: (lambda a, b: operation(a, b)) if isinstance(a, _Vector) or isinstance(b, _Vector) else None
    )


for _symbol, _name in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    _overload(_symbol, _build_arithmetic(_name))
