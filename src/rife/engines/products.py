"""The innermost loop of all convolutions here: a few pixels times a matrix, all sums in registers.

A processor adds up fastest what it does not have to write down in between. `multiply32` and `multiply16` keep a sum for
each of `ROWS32` or `ROWS16` pixels and 32 or 16 channels in registers, from the first product to the last; with
AVX-512 they reach nine tenths of what the processor can do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types

from rife.engines.processor import has
from rife.engines.vectors import LANES, VECTOR, instruction, intrinsic_of, place, spread, store_at, vector_at

_INDEX = ir.IntType(64)


WIDE = has("avx512f")
"""Whether 32 channels of several pixels fit into registers."""

# Of 32 registers, 28 hold sums; of 16 that are half as wide, 12.
ROWS32, ROWS16 = (14, 28) if WIDE else (3, 6)


def _multiplying(rows: int, vectors: int) -> Callable[..., Any]:
    """Make `multiply(a, at_a, pixel, row, b, at_b, count, depth, out, at_out, step)`.

    For `rows` pixels r and 16 * `vectors` channels n: the sum over i < count and k < depth of
    a[at_a + r * pixel + i * row + k] * b[at_b + (i * depth + k) * 16 * vectors + n] is written to
    out[at_out + r * step + n].
    """

    def whole(value: int) -> Any:
        return ir.Constant(_INDEX, value)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, at_a, pixel, row, b, at_b, count, depth, out, at_out, step = args
        kinds = signature.args
        matrix = place(context, builder, kinds[4], b, at_b)
        target = place(context, builder, kinds[8], out, at_out)
        pixels = place(context, builder, kinds[0], a, at_a)
        starts = [builder.gep(pixels, [builder.mul(pixel, whole(r))]) for r in range(rows)]
        entry, outer, inner, after, done = builder.block, *(builder.append_basic_block() for _ in range(4))
        builder.branch(outer)

        def carried(kind: Any, first: Any, source: Any) -> Any:
            value = builder.phi(kind)
            value.add_incoming(first, source)
            return value

        sums = [(r, v) for r in range(rows) for v in range(vectors)]
        builder.position_at_end(outer)
        i = carried(_INDEX, whole(0), entry)
        before = [carried(VECTOR, ir.Constant(VECTOR, [0.0] * LANES), entry) for _ in sums]
        line, panel = builder.mul(i, row), builder.mul(i, depth)
        builder.branch(inner)

        builder.position_at_end(inner)
        k = carried(_INDEX, whole(0), outer)
        totals = [carried(VECTOR, value, outer) for value in before]
        first = builder.mul(builder.add(panel, k), whole(LANES * vectors))
        weights = [
            vector_at(builder, builder.gep(matrix, [builder.add(first, whole(LANES * v))])) for v in range(vectors)
        ]
        here = builder.add(line, k)
        numbers = [spread(builder, builder.load(builder.gep(start, [here]), align=4)) for start in starts]
        added = [
            intrinsic_of(builder, f"llvm.fma.v{LANES}f32", VECTOR, numbers[r], weights[v], total)
            for (r, v), total in zip(sums, totals, strict=True)
        ]
        for value, total in zip(added, totals, strict=True):
            total.add_incoming(value, inner)
        following = builder.add(k, whole(1))
        k.add_incoming(following, inner)
        builder.cbranch(builder.icmp_signed("<", following, depth), inner, after)

        builder.position_at_end(after)
        for value, total in zip(added, before, strict=True):
            total.add_incoming(value, after)
        following = builder.add(i, whole(1))
        i.add_incoming(following, after)
        builder.cbranch(builder.icmp_signed("<", following, count), outer, done)

        builder.position_at_end(done)
        for (r, v), value in zip(sums, added, strict=True):
            offset = builder.add(builder.mul(step, whole(r)), whole(LANES * v))
            store_at(builder, builder.gep(target, [offset]), value)
        return context.get_dummy_value()

    @instruction
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

    return multiply


multiply32, multiply16 = _multiplying(ROWS32, 2), _multiplying(ROWS16, 1)
