"""A round: sound and mutated messages of every format, and what must hold of whatever comes of them."""

import re
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.record import Batch, Decoded, RawMessage
from latentwatch.streams.batch_scoring import RowScorer, StreamScorer
from latentwatch.streams.ports import Messages, messages_of
from latentwatch.streams.testing import FakeDetector
from tests.streams.decoding.fuzzing.formats import Format, formats
from tests.streams.decoding.fuzzing.mutating import mutate

_BATCHES = 10
_MESSAGES = 40
_SOUND_SHARE = 0.3
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|\(.*\)|[\d.,-]+|:.*")


class Escaped(AssertionError):
    """A message did what no message may."""


@dataclass
class Tally:
    """What was sent, and what came of it."""

    rounds: int = 0
    sent: int = 0
    """Records, of which an array holds several."""
    scored: int = 0
    dead: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return f"{self.rounds} rounds, {self.sent:,} records sent = {self.scored:,} scored + {self.dead:,} dead letters"

    def reasons_in_words(self) -> str:
        """The kinds of reasons that were given, the commonest first."""
        return "\n".join(f"{count:8,}  {reason}" for reason, count in self.reasons.most_common(40))


def play(seed: int, tally: Tally) -> None:
    """One round. Raises Escaped with the message that is to blame."""
    random = Random(seed)
    for kind in formats(random):
        for _ in range(_BATCHES):
            sound, rows = set[int](), list[RawMessage]()
            for offset in range(random.randint(1, _MESSAGES)):
                value: bytes | None = random.choice(kind.sound)
                if random.random() < _SOUND_SHARE:
                    sound.add(offset)
                else:
                    value = mutate(random.choice(kind.sound), kind.sound, random)
                rows.append(RawMessage(0, offset, value, 1_700_000_000_000))
            _check(kind, rows, sound, tally)
    tally.rounds += 1


def _check(kind: Format, rows: list[RawMessage], sound: set[int], tally: Tally) -> None:
    """A batch: every record one outcome, neighbours unharmed, nothing that a database could not hold."""
    decoded, records = _decode(kind, rows)
    for row in rows:
        alone, own = _decode(kind, [row])
        _same(kind, row, decoded, alone, own)
        if row.offset in sound and kind.name != "Avro":
            _demand(not alone.dead_letters, kind, row.value, f"sound, but refused: {alone.dead_letters}")
    scorer = RowScorer(kind.decoder, StreamScorer(FakeDetector(kind.schema), AlertPolicy(), kind.name))
    outcomes = scorer.score(records)
    dead = [row for row in outcomes if "error" in row]
    _demand(
        [row["position"] for row in outcomes] == records.offsets.tolist(), kind, None, "an outcome is missing or double"
    )
    tally.sent += len(records)
    tally.scored += len(outcomes) - len(dead)
    tally.dead += len(dead)
    tally.reasons.update(_QUOTED.sub("", row["error"])[:60].strip() for row in dead)


def _decode(kind: Format, rows: list[RawMessage]) -> tuple[Decoded, Messages]:
    """What the bare decoder, without the guard around it, makes of messages; and the records they hold."""
    records = kind.records(messages_of(kind.name, rows))
    try:
        decoded = kind.decoder.decode(records)
    except Exception as error:
        if len(rows) > 1:
            for row in rows:
                _decode(kind, [row])  # raises with the one message to blame, mostly
        raise Escaped(f"{kind.name}: {type(error).__name__}: {error}\n  {_quoted(rows[0].value)}") from error
    _sound(kind, decoded, records)
    return decoded, records


def _sound(kind: Format, decoded: Decoded, records: Messages) -> None:
    batch, letters = decoded.batch, decoded.dead_letters
    values = dict(zip(records.offsets.tolist(), records.values, strict=True))
    outcomes = sorted([*batch.offsets.tolist(), *(letter.position.offset for letter in letters)])
    _demand(outcomes == records.offsets.tolist(), kind, None, f"outcomes {outcomes} of records {records.offsets}")
    for letter in letters:
        value = values[letter.position.offset]
        _demand(letter.payload == (value or b""), kind, value, "its dead letter is not kept whole")
        _demand(0 < len(letter.reason) <= 600 and letter.reason.isprintable(), kind, value, f"reason {letter.reason!r}")
    _demand(not np.isinf(batch.numbers).any(), kind, None, "an infinite number is in the batch")
    _demand(
        bool((np.abs(batch.times) < 1 << 60).all()), kind, None, f"a time that is none is in the batch: {batch.times}"
    )
    for word in (*batch.entities, *batch.categories.ravel(), *batch.texts.ravel()):
        if word is not None:
            _demand(isinstance(word, str) and "\0" not in word, kind, None, f"{word!r} is no word for a database")
            word.encode()


def _same(kind: Format, row: RawMessage, together: Decoded, alone: Decoded, own: Messages) -> None:
    """A message's fate does not depend on its neighbours."""
    first, last = (own.offsets[0], own.offsets[-1]) if len(own) else (0, -1)
    among = together.batch.take((together.batch.offsets >= first) & (together.batch.offsets <= last))
    _demand(_columns(among) == _columns(alone.batch), kind, row.value, "it is read otherwise among others than alone")
    reasons = [letter.reason for letter in together.dead_letters if first <= letter.position.offset <= last]
    _demand(reasons == [each.reason for each in alone.dead_letters], kind, row.value, f"refused otherwise: {reasons}")


def _columns(batch: Batch) -> list[Any]:
    return [batch.offsets.tolist(), batch.times.tolist(), batch.entities.tolist(), batch.all_values()]


def _demand(holds: bool, kind: Format, value: bytes | None, what: str) -> None:
    if not holds:
        raise Escaped(f"{kind.name}: {what}\n  {_quoted(value)}")


def _quoted(value: bytes | None) -> str:
    text = repr(value)
    return text if len(text) < 2_000 else f"{text[:1_900]}... ({len(text):,} characters)"
