"""The inner loop of all convolutions: a matrix product of a few pixels, with the accumulators in registers.

`multiply32` and `multiply16` hold one accumulator for each of `ROWS32` or `ROWS16` pixels and 32 or 16 channels in
registers, from the first product to the last. With AVX-512 they reach nine tenths of the processor's peak rate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types

from rife.kernels.cpu_features import has
from rife.kernels.simd import LANES, VECTOR, element_pointer, instruction, splat, store_at, vector_at

_INDEX = ir.IntType(64)
_FUSED = ("contract",)
"""Multiply and add are fused into one instruction, where the processor has it."""


WIDE = has("avx512f")
"""Whether the accumulators of 32 channels of several pixels fit into registers."""

# Accumulators take 28 of 32 registers, or 12 of 16 registers of half the width.
ROWS32, ROWS16 = (14, 28) if WIDE else (3, 6)


def _loop(
    builder: Any, count: Any, values: Sequence[Any], body: Callable[[Any, Sequence[Any]], Sequence[Any]]
) -> Sequence[Any]:
    """Emit `for index in range(count): values = body(index, values)`, at least once; values stay in registers."""
    before, loop, done = builder.block, builder.append_basic_block(), builder.append_basic_block()
    builder.branch(loop)
    builder.position_at_end(loop)
    index, *carried = (builder.phi(kind) for kind in (_INDEX, *(value.type for value in values)))
    results = body(index, carried)
    following = builder.add(index, _whole(1))
    for phi, first, next_ in zip((index, *carried), (_whole(0), *values), (following, *results), strict=True):
        phi.add_incoming(first, before)
        phi.add_incoming(next_, builder.block)
    builder.cbranch(builder.icmp_signed("<", following, count), loop, done)
    builder.position_at_end(done)
    return results


def _whole(value: int) -> Any:
    return ir.Constant(_INDEX, value)


def _build_multiply(rows: int, vectors: int) -> Callable[..., Any]:
    """Build `multiply(a, at_a, pixel, row, b, at_b, count, depth, out, at_out, step)`.

    For `rows` pixels r and 16 * `vectors` channels n: the sum over i < count and k < depth of
    a[at_a + r * pixel + i * row + k] * b[at_b + (i * depth + k) * 16 * vectors + n] is written to
    out[at_out + r * step + n].
    """
    cells = [(r, v) for r in range(rows) for v in range(vectors)]

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, at_a, pixel, row, b, at_b, count, depth, out, at_out, step = args
        pixels = element_pointer(context, builder, signature.args[0], a, at_a)
        matrix = element_pointer(context, builder, signature.args[4], b, at_b)
        target = element_pointer(context, builder, signature.args[8], out, at_out)
        starts = [builder.gep(pixels, [builder.mul(pixel, _whole(r))]) for r in range(rows)]

        def one_row(i: Any, sums: Sequence[Any]) -> Sequence[Any]:
            line, panel = builder.mul(i, row), builder.mul(i, depth)

            def one_product(k: Any, sums: Sequence[Any]) -> Sequence[Any]:
                first = builder.mul(builder.add(panel, k), _whole(LANES * vectors))
                offsets = [builder.add(first, _whole(LANES * v)) for v in range(vectors)]
                weights = [vector_at(builder, builder.gep(matrix, [offset])) for offset in offsets]
                here = builder.add(line, k)
                numbers = [splat(builder, builder.load(builder.gep(start, [here]), align=4)) for start in starts]
                return [
                    builder.fadd(total, builder.fmul(numbers[r], weights[v], flags=_FUSED), flags=_FUSED)
                    for (r, v), total in zip(cells, sums, strict=True)
                ]

            return _loop(builder, depth, sums, one_product)

        zeros = [ir.Constant(VECTOR, [0.0] * LANES)] * len(cells)
        for (r, v), value in zip(cells, _loop(builder, count, zeros, one_row), strict=True):
            offset = builder.add(builder.mul(step, _whole(r)), _whole(LANES * v))
            store_at(builder, builder.gep(target, [offset]), value)
        return context.get_dummy_value()

    def multiply(
        typing: Any,
        a: Any,
        at_a: Any,
        pixel: Any,
        row: Any,
        b: Any,
        at_b: Any,
        count: Any,
        depth: Any,
        out: Any,
        at_out: Any,
        step: Any,
    ) -> Any:
        n = types.intp
        return types.void(a, n, n, n, b, n, n, n, out, n, n), code

    return instruction(multiply)


multiply32, multiply16 = _build_multiply(ROWS32, 2), _build_multiply(ROWS16, 1)
