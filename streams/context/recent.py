"""Records that late ones may still be placed between, as columns, with the decision that each was given.

Those of a chunk's entities travel with it in context snapshots: a readable JSON header, then raw little-endian arrays.
"""

import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.record import Batch, concatenate, number_type
from latentwatch.domain.schema import RecordSchema

UNKNOWN_VERSION = -1
"""Stands for the model version where a decision is not known, or not one that may be amended."""
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Recent:
    """N records of some entities."""

    batch: Batch
    owners: NDArray[np.intp]
    """[N] each record's row in the context store."""
    surprise: NDArray[np.float32]
    """[N] the decision in the database; NaN where there is none."""
    flagged: NDArray[np.bool_]
    """[N]"""
    version: NDArray[np.int32]
    """[N] the model version that gave it, or UNKNOWN_VERSION."""
    late: NDArray[np.bool_]
    """[N] whether the record itself came late."""

    def __len__(self) -> int:
        return len(self.owners)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "Recent":
        """The chosen rows."""
        return Recent(
            self.batch.take(rows),
            self.owners[rows],
            self.surprise[rows],
            self.flagged[rows],
            self.version[rows],
            self.late[rows],
        )

    def in_order(self) -> "Recent":
        """Each entity's records together, in event time; of equal times the one that came first."""
        batch = self.batch
        return self.take(np.lexsort((batch.offsets, batch.times, self.owners)))


def unjudged(batch: Batch, owners: NDArray[np.intp], late: NDArray[np.bool_] | None = None) -> Recent:
    """Records that nothing was said of yet."""
    count = len(batch)
    return Recent(
        batch,
        owners,
        np.full(count, np.nan, np.float32),
        np.zeros(count, np.bool_),
        np.full(count, UNKNOWN_VERSION, np.int32),
        np.zeros(count, np.bool_) if late is None else late,
    )


def join(parts: Iterable[Recent]) -> Recent:
    """All of them, one after the other. Raises ValueError when there is none."""
    listed = list(parts)
    if len(listed) == 1:
        return listed[0]
    return Recent(
        concatenate(part.batch for part in listed),
        np.concatenate([part.owners for part in listed]),
        np.concatenate([part.surprise for part in listed]),
        np.concatenate([part.flagged for part in listed]),
        np.concatenate([part.version for part in listed]),
        np.concatenate([part.late for part in listed]),
    )


def matching(first: Batch, second: Batch) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of the first batch that the second has too, and where they stand in the second."""
    rows, places = [np.zeros(0, np.intp)], [np.zeros(0, np.intp)]
    for partition in np.unique(second.partitions):
        there = np.flatnonzero(second.partitions == partition)
        there = there[np.argsort(second.offsets[there])]
        here = np.flatnonzero(first.partitions == partition)
        at = np.minimum(np.searchsorted(second.offsets[there], first.offsets[here]), len(there) - 1)
        same = second.offsets[there[at]] == first.offsets[here]
        rows.append(here[same])
        places.append(there[at[same]])
    return np.concatenate(rows), np.concatenate(places)


@dataclass(frozen=True, slots=True)
class Shelved:
    """What the lateness keeps of E entities of a partition, as a snapshot has it."""

    bases: NDArray[np.float32]
    """[E, S] each entity's context before the oldest of its recent records."""
    recent: Recent | None
    """Owners are places among the E entities."""
    foreign: bool = False
    """What a former version kept here, and the snapshot's head now: whether decisions may be another model's."""


def _stored(schema: RecordSchema) -> str:
    """How numbers stand in a snapshot."""
    return np.dtype(number_type(schema)).newbyteorder("<").str


def pack_recent(shelved: Shelved) -> bytes:
    """Bytes that `unpack_recent` reads back to the bit."""
    recent = shelved.recent
    batch = recent.batch if recent is not None else None
    header: dict[str, Any] = {
        "entities": len(shelved.bases),
        "state_size": int(shelved.bases.shape[1]),
        "records": len(batch) if batch is not None else 0,
        "numbers": int(batch.numbers.shape[1]) if batch is not None else 0,
        "categories": batch.categories.tolist() if batch is not None else [],
        "texts": batch.texts.tolist() if batch is not None else [],
    }
    arrays: list[NDArray[Any]] = [shelved.bases.astype("<f4")]
    if recent is not None and batch is not None:
        arrays += [
            batch.numbers.astype(_stored(batch.schema)),
            batch.times.astype("<i8"),
            batch.offsets.astype("<i8"),
            recent.owners.astype("<i8"),
            recent.surprise.astype("<f4"),
            recent.version.astype("<i4"),
            recent.flagged.astype("<i1"),
            recent.late.astype("<i1"),
        ]
    head = json.dumps(header).encode()
    return b"".join([_LENGTH.pack(len(head)), head, *(array.tobytes() for array in arrays)])


def unpack_recent(
    blob: bytes, schema: RecordSchema | None, source: str, partition: int, entities: Sequence[str]
) -> Shelved:
    """The inverse of `pack_recent`. Raises InvalidInput for anything else."""
    try:
        (length,) = _LENGTH.unpack_from(blob)
        header = json.loads(blob[_LENGTH.size : _LENGTH.size + length])
        body = memoryview(blob)[_LENGTH.size + length :]
        count, width = int(header["records"]), int(header["numbers"])

        def read(kind: str, *shape: int) -> NDArray[Any]:
            nonlocal body
            size = int(np.prod(shape)) * np.dtype(kind).itemsize
            if len(body) < size:
                raise ValueError("it ends too early")
            part, body = body[:size], body[size:]
            return np.frombuffer(part, kind).reshape(shape).astype(np.dtype(kind).newbyteorder("="))

        foreign = bool(header.get("foreign", False))
        bases = read("<f4", int(header["entities"]), int(header["state_size"]))
        if len(bases) != len(entities):
            raise ValueError(f"{len(bases)} bases for {len(entities)} entities")
        if not count or schema is None:
            return Shelved(bases, None, foreign)
        numbers, times, offsets = read(_stored(schema), count, width), read("<i8", count), read("<i8", count)
        owners, surprise, version = read("<i8", count), read("<f4", count), read("<i4", count)
        names = np.array([*entities, None], object)[:-1]
        batch = Batch(
            schema=schema,
            numbers=numbers,
            categories=_cells(header["categories"], count, len(schema.categories)),
            texts=_cells(header["texts"], count, len(schema.texts)),
            entities=names[owners],
            times=times,
            source=source,
            partitions=np.full(count, partition, np.int32),
            offsets=offsets,
        )
        if width != len(schema.numbers):
            raise ValueError(f"{width} numbers a record where the monitor has {len(schema.numbers)}")
        flagged, late = read("<i1", count).astype(np.bool_), read("<i1", count).astype(np.bool_)
        recent = Recent(batch, owners.astype(np.intp), surprise, flagged, version, late)
        return Shelved(bases, recent, foreign)
    except (ValueError, KeyError, TypeError, IndexError, struct.error, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"the recent records in a context snapshot are damaged ({error}); it is left aside, entities warm up anew"
        ) from None


def _cells(rows: list[list[str | None]], count: int, width: int) -> NDArray[np.object_]:
    cells = np.empty((count, width), object)
    if len(rows) != count or any(len(row) != width for row in rows):
        raise ValueError("words do not fit the monitor's features")
    for place, row in enumerate(rows):
        cells[place] = row
    return cells
