"""Whether a stream's records still look as they did: a new field, one that vanished, one whose type moved.

Polls as they are decoded → one note for each change, with what it means for the model. Of what was read before this process
began nothing is known: a change that happened while nobody read is seen by its dead letters alone.
"""

import re
from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.outcome import FIELD_MOVED, FIELD_NEW, FIELD_VANISHED, AuditEntry
from latentwatch.domain.record import Batch, Decoded
from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.alignment.readings import names_of
from latentwatch.streams.decoding.json_decoding import keys_of
from latentwatch.streams.ports import Messages

_USUAL_RECORDS = 200
"""Records from which on it is known how often a field comes."""
_USUAL_SHARE = 0.95
_GONE_RECORDS = 500
"""Records in a row without a field that came nearly always."""
_MOVED_VALUES = 50
"""Values of one field that it cannot have, by which its type is known to have moved."""
_LOOKS = 20
"""Messages whose keys are learned before another key is news; and in how many a new one must come."""
_MOST_KEYS = 1_000
_PIECE = 100
"""Records and messages that are looked at together, so that a backlog read in large polls says what single ones would."""
_NAMED_PIECE = 300
"""The same of messages in long form, whose last `_PIECE` are looked at."""
_NAMED_MESSAGES = 5_000
"""Messages in long form whose names are learned before another name is news: some come more rarely than polls."""
_LEFT_OUT = "There it is missing: the model goes on without it and sees less"
_OF_FIELD = re.compile(r"field ('(?:[^'\\]|\\.)+') is (text|a number|a truth value|a list|an object)\b")


@dataclass(slots=True)
class _Coming:
    """How often a field came."""

    records: int = 0
    came: int = 0
    lacking: int = 0
    """Records in a row without it, up to the last one."""
    told: bool = False
    since: int = 0
    """The time of the first record of those, microseconds."""
    gone_until: int = -(2**63)
    """The latest time of a record of a lack that was told: another partition's part of it is no news."""

    def look(self, present: NDArray[np.bool_], times: NDArray[np.int64]) -> str | None:
        """Count some records, however many at once; how much is missing, where the field has just been found to be gone."""
        if present.all():  # as nearly always
            self.records += len(present) + (0 if self.told else self.lacking)
            self.came += len(present)
            self.lacking, self.told = 0, False
            return None
        said = None
        for start in range(0, len(present), _PIECE):
            piece = slice(start, start + _PIECE)
            said = self._look(present[piece], times[piece]) or said
        return said

    def _look(self, present: NDArray[np.bool_], times: NDArray[np.int64]) -> str | None:
        count = len(present)
        after = int(np.argmax(present[::-1])) if present.any() else count
        if after < count:
            self.records += count - after + (0 if self.told else self.lacking)  # what was told is no usual lack
            self.came += int(present.sum())
            self.lacking, self.told = 0, False
        if after and not self.lacking:
            self.since = int(times[count - after :].min())
        self.lacking += after
        if self.told:
            self.gone_until = max(self.gone_until, int(times.max()))
        usual = self.records >= _USUAL_RECORDS and self.came >= _USUAL_SHARE * self.records
        if not usual or self.told or self.lacking < _GONE_RECORDS:
            return None
        known, self.told = self.since <= self.gone_until, True
        self.gone_until = max(self.gone_until, int(times.max()))
        if known:
            return None
        return (
            f"is missing in {self.lacking:,} records in a row, and came in {self.came:,} of the {self.records:,} before"
        )


@dataclass(slots=True)
class _Known:
    """Keys or names that a stream has, learned from its first looks."""

    seen: dict[str, int] = field(default_factory=dict)
    looks: int = 0

    def fresh(self, found: Iterable[str], read: Set[str], learning: bool = False) -> list[str]:
        """Those of one look that have just been found to be new: of nothing that is `read`, and come again and again."""
        self.looks += 1
        first = learning or self.looks <= _LOOKS
        fresh = []
        for each in found:
            if len(self.seen) >= _MOST_KEYS and each not in self.seen:
                continue
            self.seen[each] = _LOOKS + 1 if first or each in read else self.seen.get(each, 0) + 1
            if self.seen[each] == _LOOKS:
                fresh.append(each)
        return fresh


@dataclass(slots=True)
class ShapeWatch:
    """Looks at what was decoded, in order. Used by one thread."""

    _coming: dict[str, _Coming] = field(default_factory=dict)
    _misfits: Counter[str] = field(default_factory=Counter)
    _keys: _Known = field(default_factory=_Known)
    _names: _Known = field(default_factory=_Known)
    _named: int = 0
    """Messages in long form so far."""
    _untold: list[AuditEntry] = field(default_factory=list)
    """Of names, until the rows that their messages came to are looked at."""

    def look_at_names(self, readings: Batch, schema: RecordSchema) -> None:
        """In long form, before messages become rows of a schema: a name that was not there when this began is a new field."""
        if not len(readings):
            return
        read = frozenset(feature.path or feature.name for feature in schema.features)
        for start in range(0, len(readings), _NAMED_PIECE):
            end = min(start + _NAMED_PIECE, len(readings))
            self._named += end - start
            last = readings.take(slice(max(start, end - _PIECE), end))
            fresh = self._names.fresh(names_of(last), read, learning=self._named <= _NAMED_MESSAGES)
            self._untold += map(_news, fresh)

    def look(self, decoded: Decoded, messages: Messages) -> tuple[AuditEntry, ...]:
        """What has changed with these messages; a change is told once."""
        untold, self._untold = self._untold, []
        return (
            *untold,
            *self._vanished(decoded.batch),
            *self._moved(decoded),
            *self._new(messages, decoded.batch.schema),
        )

    def _vanished(self, batch: Batch) -> list[AuditEntry]:
        if not len(batch):
            return []
        schema, notes = batch.schema, []
        columns = [(name, ~np.isnan(batch.numbers[:, place])) for place, name in enumerate(schema.numbers)]
        for names, words in ((schema.categories, batch.categories), (schema.texts, batch.texts)):
            columns += [
                (name, np.fromiter((word is not None for word in words[:, place]), bool, count=len(batch)))
                for place, name in enumerate(names)
            ]
        for name, present in columns:
            coming = self._coming.setdefault(name, _Coming())
            if said := coming.look(present, batch.times):
                notes.append(
                    AuditEntry(
                        FIELD_VANISHED,
                        None,
                        f"field {name!r} {said}: the model goes on without it and sees less. Mend the sender, or take the"
                        " field out of the monitor's record and train",
                        name,
                    )
                )
        return notes

    def _moved(self, decoded: Decoded) -> list[AuditEntry]:
        found = [(value.feature, value.reason, _LEFT_OUT) for value in decoded.unread]
        found += [
            (match[1].strip("'"), letter.reason, "They are dead letters and not scored")
            for letter in decoded.dead_letters
            if (match := _OF_FIELD.search(letter.reason))
        ]
        notes = []
        for name, reason, meaning in found:
            self._misfits[name] += 1
            if self._misfits[name] == _MOVED_VALUES:
                notes.append(
                    AuditEntry(
                        FIELD_MOVED,
                        None,
                        f"field {name!r} has another type than the monitor says in {_MOVED_VALUES} messages, the latest because:"
                        f" {reason}. {meaning}. Mend the sender, or correct the field in the monitor's record and train",
                        name,
                    )
                )
        return notes

    def _new(self, messages: Messages, schema: RecordSchema) -> list[AuditEntry]:
        """Of JSON alone, by the keys of every hundredth message, or a poll's last."""
        read, fresh = {path.split(".")[0] for path in _paths(schema)}, list[str]()
        for start in range(0, len(messages), _PIECE):
            piece = messages.values[start : start + _PIECE]
            if keys := keys_of(next((value for value in reversed(piece) if value), b"")):
                fresh += self._keys.fresh(keys, read)
        return list(map(_news, fresh))


def _news(name: str) -> AuditEntry:
    words = (
        f"field {name!r} is new: the monitor does not name it, so that the model does not read it. Add it to the"
        " monitor's record to have the next training learn it"
    )
    return AuditEntry(FIELD_NEW, None, words, name)


def _paths(schema: RecordSchema) -> list[str]:
    fields = [feature.path or feature.name for feature in schema.features]
    if schema.long is not None:
        fields = [*schema.long.names, schema.long.values or schema.long.value or ""]
    return [*fields, *filter(None, (schema.time,)), *schema.entity_fields, *(each.field for each in schema.where)]
