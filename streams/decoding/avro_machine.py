"""Runs a reading plan over many Avro messages at once, in compiled code. Bytes + plan -> columns of raw values.

A plan (see `latentwatch.streams.decoding.avro_plan`) is a [P, 4] array of instructions `(what, where, a, b)`. `where` says what becomes of a
value: -1 skips it, 0 and more is a column of numbers, -2 and less a slot of values that Python looks at afterwards.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.kernels import compiled_exactly, part_of_kernel

(
    END,
    BOOLEAN,
    LONG,
    FLOAT,
    DOUBLE,
    BYTES,
    FIXED,
    DECIMAL,
    ENUM,
    UNION,
    JUMP,
    REFUSE,
    BLOCKS,
    NEXT,
    CALL,
    RETURN,
    NOTE,
) = range(17)
"""What an instruction does. Units: LONG a numerator and b denominator to microseconds, or 0; FIXED a bytes; DECIMAL a
bytes or -1 where a length stands before it, b decimal places; ENUM a symbols, b the first one's number; UNION a branches,
whose places stand in the next a instructions; BLOCKS a the place behind the items; JUMP and CALL a the place to go on at;
REFUSE and NOTE a the number of their reason. Those before UNION read a value, the others say where the plan goes on."""

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


@part_of_kernel
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


@part_of_kernel
def _room(size: int, position: int, end: int) -> int:
    """Whether so many bytes can stand between a place, -1 where it left the message, and the end: SOUND, NUMBER or SHORT."""
    if position < 0 or size < 0:
        return NUMBER
    return SHORT if size > end - position else SOUND


@part_of_kernel
def _little_endian(data: NDArray[np.uint8], position: int, size: int) -> Any:
    """A number without sign of at most 8 bytes."""
    word = np.uint64(0)
    for byte in range(size):
        word |= np.uint64(data[position + byte]) << np.uint64(8 * byte)
    return word


@part_of_kernel
def _unscaled(data: NDArray[np.uint8], position: int, size: int) -> float:
    """A big-endian two's complement number of any size."""
    value = 0.0
    for place in range(position, position + size):
        value = value * 256.0 + data[place]
    if size > 0 and data[position] >= 128:
        value -= 256.0**size
    return value


@compiled_exactly
def read_rows(
    plan: NDArray[np.int64],
    data: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    rows: NDArray[np.int64],
    numbers: NDArray[np.float32] | NDArray[np.float64],
    kinds: NDArray[np.int8],
    firsts: NDArray[np.int64],
    lasts: NDArray[np.int64],
    reals: NDArray[np.float64],
    states: NDArray[np.int64],
    notes: NDArray[np.bool_],
) -> None:
    """Read the messages of `rows`, each from its start to its end, into the arrays' rows of the same number.

    `numbers` is [N, F] and comes filled with NaN; `kinds`, `firsts`, `lasts` and `reals` are [N, slots]: what a slot
    holds, and where (WORD: first byte and the one behind it) or what it is. `states` [N] says how each message was read.

    One loop, as in most interpreters: handing arrays to a function for each instruction made it six times slower, since
    numba counts references to them each time.
    """
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
                state, kind = _room(8, position, end), REAL
                if state == SOUND:
                    number = np.uint64(_little_endian(data, position, 8)).view(np.float64)
                position += 8
            elif what == FLOAT:
                state, kind = _room(4, position, end), REAL
                if state == SOUND:
                    number = np.float64(np.uint32(_little_endian(data, position, 4)).view(np.float32))
                position += 4
            elif what == LONG:
                value, position = _varint(data, position, end)
                number, kind = np.float64(value), INTEGER
                if position < 0:
                    state = NUMBER
                elif a:
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
                state, kind = _room(1, position, end), TRUTH
                if state == SOUND:
                    value = np.int64(data[position])
                    number = np.float64(value)
                    state = NUMBER if value > 1 else SOUND
                position += 1
            elif what == BYTES:
                size, position = _varint(data, position, end)
                state, kind = _room(size, position, end), WORD
                value, position = position, position + size
            elif what == FIXED:
                state = _room(a, position, end)
                position += a
            elif what == DECIMAL:
                size = a
                if a < 0:
                    size, position = _varint(data, position, end)
                state, kind = _room(size, position, end), REAL
                if state == SOUND:
                    number = _unscaled(data, position, size) / 10.0**b
                position += size
            elif what == ENUM:
                value, position = _varint(data, position, end)
                if position < 0 or value < 0 or value >= a:
                    state = SYMBOL_AWAY
                value, kind = value + b, SYMBOL
            elif what == BLOCKS:
                value, position = _varint(data, position, end)
                if position < 0:
                    state = NUMBER
                    break
                if value == 0:
                    place = a
                elif value < 0:  # a block that says how long it is, and so is passed over
                    size, position = _varint(data, position, end)
                    state = _room(size, position, end)
                    if state != SOUND:
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
            elif what == NOTE:
                notes[row, a] = True
                continue
            elif what == REFUSE:
                state = REFUSED + a
                break
            else:  # END
                state = SOUND if position == end else LONG_MESSAGE
                break
            if state != SOUND:
                break
            if where >= 0:
                numbers[row, where] = number
            elif where <= -2:
                slot = -2 - where
                kinds[row, slot] = kind
                firsts[row, slot] = value
                lasts[row, slot] = position
                reals[row, slot] = number
        states[row] = state
