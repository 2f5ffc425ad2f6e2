"""Loops over whole vectors of the machine, written where the compiler would keep their sums in memory: `TILE` numbers
that lie side by side are one value, which stays in registers through a loop.

Sums are made in an order that does not depend on what stands beside a row, so that a record scored alone and in a batch
gets the same bits. To be called from compiled functions; arrays are float32 and lie end to end.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

TILE = 16
"""Numbers in a tile: a vector of the widest machines, two or four on others."""
_FLOAT, _LONG = ir.FloatType(), ir.IntType(64)
_VECTOR = ir.VectorType(_FLOAT, TILE)
_SUMS = 4
"""Sums that `squares` keeps apart, since one addition has to wait for the one before."""
_FUSED = ("contract",)
_NO_NAN = ("nnan", "nsz")

Emit = Callable[..., Any]


def _pointer(context: Any, builder: Any, kind: Any, array: Any, at: Any, to: Any = _FLOAT) -> Any:
    """Where an array's number `at` lies."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [at]), to.as_pointer())


def _load(builder: Any, pointer: Any) -> Any:
    return builder.load(pointer, align=4, typ=_VECTOR)


def _splat(builder: Any, number: Any) -> Any:
    """A number in every lane."""
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), TILE), [0] * TILE)
    return builder.shuffle_vector(first, nothing, lanes)


def _add_product(builder: Any, a: Any, b: Any, total: Any) -> None:
    """total += a b"""
    product = builder.fmul(a, b, flags=_FUSED)
    builder.store(builder.fadd(product, builder.load(total), flags=_FUSED), total)


def _smallest(builder: Any, vector: Any) -> Any:
    reduce = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(_FLOAT, [_VECTOR]), f"llvm.vector.reduce.fmin.v{TILE}f32"
    )
    return builder.call(reduce, [vector], fastmath=_NO_NAN)


@intrinsic  # type: ignore[untyped-decorator]
def squares(typing: Any, query: Any, columns: Any, begin: Any, out: Any, at: Any) -> tuple[Any, Emit]:
    """out[at + lane] = sum over j of (query[j] - columns[begin + TILE j + lane])^2; returns the smallest of them."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value, column, start, result, place = arguments
        width = builder.extract_value(context.make_array(query)(context, builder, value).shape, 0)
        zero = ir.Constant(_VECTOR, [0.0] * TILE)
        totals = [cgutils.alloca_once_value(builder, zero) for _ in range(_SUMS)]

        def add(j: Any, total: Any) -> None:
            one = _splat(builder, builder.load(_pointer(context, builder, query, value, j)))
            first = builder.add(start, builder.mul(j, ir.Constant(_LONG, TILE)))
            apart = builder.fsub(one, _load(builder, _pointer(context, builder, columns, column, first, _VECTOR)))
            _add_product(builder, apart, apart, total)

        several = ir.Constant(_LONG, _SUMS)
        whole = builder.sdiv(width, several)
        with cgutils.for_range(builder, whole) as loop:
            for at_once, total in enumerate(totals):
                add(builder.add(builder.mul(loop.index, several), ir.Constant(_LONG, at_once)), total)
        with cgutils.for_range(builder, width, start=builder.mul(whole, several)) as loop:
            add(loop.index, totals[0])
        first, second, third, fourth = (builder.load(total) for total in totals)
        distance = builder.fadd(builder.fadd(first, second), builder.fadd(third, fourth))
        builder.store(distance, _pointer(context, builder, out, result, place, _VECTOR), align=4)
        return _smallest(builder, distance)

    return types.float32(query, columns, types.int64, out, types.int64), emit


@intrinsic  # type: ignore[untyped-decorator]
def smallest_of(typing: Any, values: Any, at: Any) -> tuple[Any, Emit]:
    """The smallest of values[at : at + TILE]."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, place = arguments
        return _smallest(builder, _load(builder, _pointer(context, builder, values, array, place, _VECTOR)))

    return types.float32(values, types.int64), emit


@intrinsic  # type: ignore[untyped-decorator]
def lane_of(typing: Any, values: Any, at: Any, value: Any) -> tuple[Any, Emit]:
    """The first lane of values[at : at + TILE] that is the value; one has to be."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, place, wanted = arguments
        vector = _load(builder, _pointer(context, builder, values, array, place, _VECTOR))
        same = builder.fcmp_ordered("==", vector, _splat(builder, wanted))
        bits = builder.bitcast(same, ir.IntType(TILE))
        return builder.zext(builder.cttz(bits, ir.Constant(ir.IntType(1), 0)), _LONG)

    return types.int64(values, types.int64, types.float32), emit


@intrinsic  # type: ignore[untyped-decorator]
def count_above(typing: Any, values: Any, at: Any, number: Any) -> tuple[Any, Emit]:
    """How many of values[at : at + TILE] are larger than the number."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, place, least = arguments
        vector = _load(builder, _pointer(context, builder, values, array, place, _VECTOR))
        larger = builder.fcmp_ordered(">", vector, _splat(builder, least))
        return builder.zext(builder.ctpop(builder.bitcast(larger, ir.IntType(TILE))), _LONG)

    return types.int64(values, types.int64, types.float32), emit


@intrinsic  # type: ignore[untyped-decorator]
def put(typing: Any, values: Any, at: Any, lane: Any, value: Any) -> tuple[Any, Emit]:
    """values[at + lane] = value; returns the smallest of values[at : at + TILE] thereafter.

    The tile is written whole, since reading a tile waits long for a single number written into it just before.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, place, wanted, number = arguments
        pointer = _pointer(context, builder, values, array, place, _VECTOR)
        short = ir.IntType(TILE)
        bit = builder.shl(ir.Constant(short, 1), builder.trunc(wanted, short))
        here = builder.bitcast(bit, ir.VectorType(ir.IntType(1), TILE))
        changed = builder.select(here, _splat(builder, number), _load(builder, pointer))
        builder.store(changed, pointer, align=4)
        return _smallest(builder, changed)

    return types.float32(values, types.int64, types.int64, types.float32), emit
