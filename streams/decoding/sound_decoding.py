"""Decoding that no message can end: what a decoder raises becomes the dead letter of the one message that caused it."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.record import DeadLetter, Decoded, Position, decoded_together
from latentwatch.streams.poison import bisect
from latentwatch.streams.ports import Decoder, Messages


def decode_sound(decoder: Decoder, messages: Messages) -> Decoded:
    """Every message ends either as a row of the batch, in order, or as a dead letter, whatever the decoder raises.

    Raises what the decoder raises on purpose, such as Unavailable: that is not about a message.
    """

    def attempt(rows: NDArray[np.intp]) -> Decoded:
        part = messages if len(rows) == len(messages) else messages.cut(int(rows[0]), int(rows[-1]) + 1)
        decoded = decoder.decode(part)
        if len(decoded) != len(part):
            raise ValueError(f"{len(decoded)} outcomes for {len(part)} messages")
        return decoded

    pieces, bad = bisect(np.arange(len(messages)), attempt, "the decoder failed on it")
    if not bad and len(pieces) == 1:
        return pieces[0][1]
    parts = [decoded for _, decoded in pieces] or [decoder.decode(messages.cut(0, 0))]
    whole = decoded_together(parts)
    letters = list(whole.dead_letters)
    for row, reason in bad.items():
        position = Position(messages.source, int(messages.partitions[row]), int(messages.offsets[row]))
        letters.append(DeadLetter(position, reason, messages.values[row] or b""))
    letters.sort(key=lambda letter: letter.position)
    return replace(whole, dead_letters=tuple(letters))
