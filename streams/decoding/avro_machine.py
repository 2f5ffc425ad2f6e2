"""Runs a reading plan over many Avro messages at once, in compiled code. Bytes + plan -> columns of raw values.

A plan (see `streams.decoding.avro_plan`) is a [P, 4] array of instructions `(what, where, a, b)`. `where` says what becomes of a
value: -1 skips it, 0 and more is a column of numbers, -2 and less a slot of values that Python looks at afterwards.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.kernels import compiled_exactly

(END, BOOLEAN, LONG, FLOAT, DOUBLE, BYTES, FIXED, DECIMAL, ENUM, UNION, JUMP, REFUSE, BLOCKS, NEXT, CALL, RETURN) = (
    range(16)
)
"""What an instruction does. Units: LONG a numerator and b denominator to microseconds, or 0; FIXED a bytes; DECIMAL a
bytes or -1 where a length stands before it, b decimal places; ENUM a symbols, b the first one's number; UNION a branches,
whose places stand in the next a instructions; BLOCKS a the place behind the items; REFUSE a the number of its reason."""

SKIP = -1
MISSING, WORD, INTEGER, REAL, TRUTH, SYMBOL, MOMENT = range(7)
"""What a slot holds: nothing, a stretch of bytes, a number, a number's value, 0 or 1, an enum's symbol, microseconds."""

SOUND, SHORT, NUMBER, BRANCH, SYMBOL_AWAY, DEEP, LONG_MESSAGE = range(7)
"""How a message was read: well, it ended too early, a length or number that cannot be, no such branch of a union, no such
symbol, nested too deeply, bytes left over. Higher numbers: refused, minus REFUSED the number of the reason."""
REFUSED = 16

_DEEPEST = 64
_VARINT_BITS = 70
_FARTHEST = 1 << 62


def _varint(data: NDArray[np.uint8], position: int, end: int) -> Any:
    """A zigzag number, and the place behind it or -1 where it leaves the message."""
    value, shift = np.uint64(0), np.uint64(0)
    while position < end and shift < _VARINT_BITS:
        byte = np.uint64(data[position])
        position += 1
        value |= (byte & np.uint64(127)) << shift
        if byte < np.uint64(128):
            return np.int64(value >> np.uint64(1)) ^ -np.int64(value & np.uint64(1)), position
        shift += np.uint64(7)
    return np.int64(0), -1


_varint = compiled_exactly(_varint)


def _unscaled(data: NDArray[np.uint8], position: int, size: int) -> float:
    """A big-endian two's complement number of any size."""
    value = 0.0
    for place in range(position, position + size):
        value = value * 256.0 + data[place]
    if size > 0 and data[position] >= 128:
        value -= 256.0**size
    return value


_unscaled = compiled_exactly(_unscaled)


@compiled_exactly
def read_rows(
    plan: NDArray[np.int64],
    data: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    rows: NDArray[np.int64],
    numbers: NDArray[np.float32],
    kinds: NDArray[np.int8],
    firsts: NDArray[np.int64],
    lasts: NDArray[np.int64],
    reals: NDArray[np.float64],
    states: NDArray[np.int64],
) -> None:
    """Read the messages of `rows`, each from its start to its end, into the arrays' rows of the same number.

    `numbers` is [N, F] and comes filled with NaN; `kinds`, `firsts`, `lasts` and `reals` are [N, slots]: what a slot
    holds, and where (WORD: first and last byte) or what it is. `states` [N] says how each message was read.
    """
    bits = np.zeros(1, np.uint64)
    as_double = bits.view(np.float64)
    half = np.zeros(1, np.uint32)
    as_float = half.view(np.float32)
    stack = np.zeros((_DEEPEST, 2), np.int64)
    for row in rows:
        position, end = starts[row], ends[row]
        budget = end - position  # items of arrays and maps take at least a byte each
        place, depth, state = 0, 0, SOUND
        while True:
            what, where, a, b = plan[place, 0], plan[place, 1], plan[place, 2], plan[place, 3]
            place += 1
            value: Any = np.int64(0)
            number, kind = 0.0, MISSING
            if what == DOUBLE:
                if end - position < 8:
                    state = SHORT
                    break
                word = np.uint64(0)
                for byte in range(8):
                    word |= np.uint64(data[position + byte]) << np.uint64(8 * byte)
                bits[0] = word
                number, kind = as_double[0], REAL
                position += 8
            elif what == FLOAT:
                if end - position < 4:
                    state = SHORT
                    break
                small = np.uint32(0)
                for byte in range(4):
                    small |= np.uint32(data[position + byte]) << np.uint32(8 * byte)
                half[0] = small
                number, kind = np.float64(as_float[0]), REAL
                position += 4
            elif what == LONG:
                value, position = _varint(data, position, end)
                if position < 0:
                    state = NUMBER
                    break
                number, kind = np.float64(value), INTEGER
                if a:
                    # Beyond what microseconds can say: outside of every bound, and so no time.
                    value = value * a // b if abs(value) < _FARTHEST // a else -_FARTHEST
                    kind = MOMENT
            elif what == UNION:
                value, position = _varint(data, position, end)
                if position < 0 or value < 0 or value >= a:
                    state = BRANCH
                    break
                place = plan[place + value, 2]
                continue
            elif what == JUMP:
                place = a
                continue
            elif what == BOOLEAN:
                if position >= end or data[position] > 1:
                    state = SHORT if position >= end else NUMBER
                    break
                value, kind = np.int64(data[position]), TRUTH
                number = np.float64(value)
                position += 1
            elif what == BYTES:
                value, position = _varint(data, position, end)
                if position < 0 or value < 0 or value > end - position:
                    state = NUMBER if position < 0 or value < 0 else SHORT
                    break
                kind = WORD
                if where <= -2:
                    lasts[row, -2 - where] = position + value
                value, position = position, position + value
            elif what == FIXED:
                if a > end - position:
                    state = SHORT
                    break
                position += a
                continue
            elif what == DECIMAL:
                value = a
                if a < 0:
                    value, position = _varint(data, position, end)
                if position < 0 or value < 0 or value > end - position:
                    state = NUMBER if position < 0 or value < 0 else SHORT
                    break
                number, kind = _unscaled(data, position, value) / 10.0**b, REAL
                position += value
            elif what == ENUM:
                value, position = _varint(data, position, end)
                if position < 0 or value < 0 or value >= a:
                    state = SYMBOL_AWAY
                    break
                value, kind = value + b, SYMBOL
            elif what == BLOCKS:
                value, position = _varint(data, position, end)
                if position < 0:
                    state = NUMBER
                    break
                if value == 0:
                    place = a
                elif value < 0:  # a block that says how long it is
                    size, position = _varint(data, position, end)
                    if position < 0 or size < 0 or size > end - position:
                        state = NUMBER if position < 0 or size < 0 else SHORT
                        break
                    position += size
                    place -= 1
                elif depth == _DEEPEST:
                    state = DEEP
                    break
                else:
                    stack[depth, 0], stack[depth, 1] = place - 1, value
                    depth += 1
                continue
            elif what == NEXT:
                stack[depth - 1, 1] -= 1
                budget -= 1
                if budget < 0:
                    state = NUMBER
                    break
                place = stack[depth - 1, 0]
                if stack[depth - 1, 1] > 0:
                    place += 1
                else:
                    depth -= 1
                continue
            elif what == CALL:
                if depth == _DEEPEST:
                    state = DEEP
                    break
                stack[depth, 0] = place
                depth += 1
                place = a
                continue
            elif what == RETURN:
                depth -= 1
                place = stack[depth, 0]
                continue
            elif what == REFUSE:
                state = REFUSED + a
                break
            else:  # END
                state = SOUND if position == end else LONG_MESSAGE
                break
            if where >= 0:
                numbers[row, where] = np.float32(number)
            elif where <= -2:
                slot = -2 - where
                kinds[row, slot] = kind
                firsts[row, slot] = value
                reals[row, slot] = number
        states[row] = state
