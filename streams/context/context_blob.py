"""A partition's context as bytes: a head, and chunks of some thousand entities each. No pickle.

Head and chunk each begin with a magic number and a readable JSON header; a chunk's raw little-endian arrays follow. The
former format, a partition in one blob, can still be read: it is a head that carries all entities itself.
"""

import json
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.drift import PromiseState
from latentwatch.domain.errors import InvalidInput, StreamRefused
from latentwatch.streams.context.ledger import NO_DELAY

_HEAD = b"LWCTX002"
_CHUNK = b"LWCHK001"
_FORMER = b"LWCTX001"
_LENGTH = struct.Struct("<I")
CHUNK_BYTES = 8 * 2**20
"""About how large the states of a chunk may be: small beside a scorer's memory, large beside a statement's cost."""
_MOST_ENTITIES = 4_096
_LARGEST_CHUNK = 2**30
"""Recent records come on top of the states. A chunk is put together in memory, several times its size."""
_LEDGER = ("places", "records", "last_time", "last_offset", "usual_gap_ms", "newest_time", "delay_ms")
"""A chunk's columns of whole numbers, in order."""
_FORMER_LEDGER = 5
"""How many of them chunks have that do not say."""


@dataclass(frozen=True, slots=True)
class EntityContexts:
    """The context of E entities of one partition."""

    entities: tuple[str, ...]
    places: NDArray[np.int64]
    """[E] each one's place in its partition, ascending; an entity keeps it until it is forgotten."""
    states: NDArray[np.float32]
    """[E, S]"""
    records: NDArray[np.int64]
    """[E] how many records each entity has had."""
    last_time: NDArray[np.int64]
    """[E] event time of the last one, microseconds since 1970 UTC."""
    last_offset: NDArray[np.int64]
    """[E] its offset; tells who has been silent longest."""
    usual_gap_ms: NDArray[np.int64]
    """[E] between its arrivals; 0 where it is not known."""
    untold: NDArray[np.bool_]
    """[E] whether the database's list of entities does not have its state yet."""
    newest_time: NDArray[np.int64]
    """[E] the latest event time of any record; in snapshots of before it was told apart, that of the last."""
    delay_ms: NDArray[np.int64]
    """[E] between event time and arrival; NO_DELAY where it is not known."""
    recent: bytes = b""
    """What the lateness of records needs besides, in its own format; empty where records count in arrival order."""

    def columns(self) -> dict[str, NDArray[Any]]:
        """What `Ledger.recall` takes."""
        return {name: getattr(self, name) for name in (*_LEDGER, "untold")}


@dataclass(frozen=True, slots=True)
class ContextHead:
    """What a partition's context has besides its entities."""

    chunks: int
    """Their number."""
    chunk_entities: int
    """Chunk n holds the entities at the places from n * chunk_entities to before (n + 1) * chunk_entities."""
    promise: PromiseState = field(default_factory=PromiseState)
    """What the partition's scores have said of the false-alarm promise so far."""
    foreign: bool = False
    """Whether decisions between the snapshot and the partition's position may be another model's."""
    entities: EntityContexts | None = None
    """All entities, where a former version wrote them into the head; there are no chunks then."""
    rows: bytes = b""
    """The rows in the making of a stream in long form, in their own format; empty where messages are records."""


def chunk_entities(state_size: int, chunk_bytes: int = CHUNK_BYTES) -> int:
    """How many entities with so many floats of state a chunk holds: a power of two, 1 at least.

    >>> chunk_entities(647), chunk_entities(0), chunk_entities(10_000_000)
    (2048, 4096, 1)
    """
    wanted = max(1, chunk_bytes // (4 * state_size + 64))
    return min(_MOST_ENTITIES, 1 << (wanted.bit_length() - 1))


def pack_head(head: ContextHead, rows: bytes = b"") -> bytes:
    """Bytes that `unpack_head` reads back; `rows` are those in the making."""
    header = {
        "chunks": head.chunks,
        "chunk_entities": head.chunk_entities,
        "promise": {"log_wealth": head.promise.log_wealth, "records": head.promise.records},
        "foreign": head.foreign,
    }
    return _begin(_HEAD, header) + rows


def unpack_head(blob: bytes) -> ContextHead:
    """The inverse of `pack_head`; reads the former format too. Raises InvalidInput for anything else."""
    try:
        if blob[: len(_FORMER)] == _FORMER:
            header, body = _opened(_FORMER, blob)
            return ContextHead(0, 0, _promise(header.get("promise")), False, _former(header, body))
        header, rows = _opened(_HEAD, blob)
        return ContextHead(
            chunks=int(header["chunks"]),
            chunk_entities=int(header["chunk_entities"]),
            promise=_promise(header["promise"]),
            foreign=bool(header["foreign"]),
            rows=bytes(rows),
        )
    except (ValueError, KeyError, TypeError, struct.error) as error:
        raise damaged(error) from None


def pack_chunk(contexts: EntityContexts) -> bytes:
    """Bytes that `unpack_chunk` reads back to the bit. Raises StreamRefused where they would be too many to keep."""
    header = {
        "entities": contexts.entities,
        "state_size": int(contexts.states.shape[1]),
        "recent_bytes": len(contexts.recent),
        "ledger": len(_LEDGER),
    }
    parts = [
        _begin(_CHUNK, header),
        contexts.states.astype("<f4", copy=False).tobytes(),
        *(column.astype("<i8", copy=False).tobytes() for column in (getattr(contexts, name) for name in _LEDGER)),
        contexts.untold.astype("<i1").tobytes(),
        contexts.recent,
    ]
    size = sum(map(len, parts))
    if size > _LARGEST_CHUNK:
        raise StreamRefused(
            f"what is remembered of {len(contexts.entities)} entities takes {size // 2**20:,} MiB, and no more than"
            f" {_LARGEST_CHUNK // 2**20:,} MiB can be kept together: allow less lateness (late: allowed), or give the monitor"
            " fewer features"
        )
    return b"".join(parts)


def unpack_chunk(blob: bytes) -> EntityContexts:
    """The inverse of `pack_chunk`. Raises InvalidInput for anything else."""
    try:
        header, body = _opened(_CHUNK, blob)
        entities, width = tuple(header["entities"]), int(header["state_size"])
        count, recent_bytes = len(entities), int(header["recent_bytes"])
        columns = int(header.get("ledger", _FORMER_LEDGER))
        _check_size(len(body) - recent_bytes, count, width * 4 + columns * 8 + 1)
        end = count * width * 4
        states = np.frombuffer(body[:end], "<f4").reshape(count, width)
        ledger = np.frombuffer(body[end : end + columns * 8 * count], "<i8").reshape(columns, count).astype(np.int64)
        untold = np.frombuffer(body[end + columns * 8 * count : len(body) - recent_bytes], "<i1")
        named = dict(zip(_LEDGER, ledger, strict=False))
        return EntityContexts(
            entities=entities,
            states=states.astype(np.float32, copy=False),
            **{"newest_time": named["last_time"], "delay_ms": np.full(count, NO_DELAY), **named},
            untold=untold.astype(np.bool_),
            recent=bytes(body[len(body) - recent_bytes :]),
        )
    except (ValueError, KeyError, TypeError, struct.error) as error:
        raise damaged(error) from None


class Chunks(Mapping[int, bytes]):
    """Chunks by number, each packed when it is asked for."""

    def __init__(self, numbers: Sequence[int], pack: Callable[[int], bytes]) -> None:
        self._numbers = tuple(numbers)
        self._pack = pack

    def __getitem__(self, number: int) -> bytes:
        if number not in self._numbers:
            raise KeyError(number)
        return self._pack(number)

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


def damaged(why: object) -> InvalidInput:
    """What is said of a context that cannot be read."""
    return InvalidInput(f"a context snapshot is damaged ({why}); it is left aside, entities warm up anew")


def _begin(magic: bytes, header: dict[str, Any]) -> bytes:
    encoded = json.dumps(header).encode()
    return b"".join([magic, _LENGTH.pack(len(encoded)), encoded])


def _opened(magic: bytes, blob: bytes) -> tuple[dict[str, Any], memoryview]:
    """Header and body. Raises ValueError where the bytes begin otherwise."""
    if blob[: len(magic)] != magic:
        raise ValueError("unknown format")
    start = len(magic) + _LENGTH.size
    (length,) = _LENGTH.unpack(blob[len(magic) : start])
    header = json.loads(blob[start : start + length])
    if not isinstance(header, dict):
        raise ValueError("its header is no object")
    return header, memoryview(blob)[start + length :]


def _check_size(found: int, count: int, each: int) -> None:
    if found != count * each:
        raise ValueError(f"{found} bytes of states where {count} entities need {count * each}")


def _former(header: dict[str, Any], body: memoryview) -> EntityContexts:
    """The entities of a snapshot in one blob."""
    entities, width = tuple(header["entities"]), int(header["state_size"])
    count, end = len(entities), len(body) - int(header.get("recent_bytes", 0))
    columns = int(header.get("ledger", 3))  # the oldest do not know usual gaps
    _check_size(end, count, width * 4 + columns * 8)
    states = np.frombuffer(body[: count * width * 4], "<f4").reshape(count, width)
    ledger = np.frombuffer(body[count * width * 4 : end], "<i8").reshape(columns, count).astype(np.int64)
    return EntityContexts(
        entities=entities,
        places=np.arange(count),
        states=states.astype(np.float32, copy=False),
        records=ledger[0],
        last_time=ledger[1],
        last_offset=ledger[2],
        usual_gap_ms=ledger[3] if columns > 3 else np.zeros(count, np.int64),
        untold=np.ones(count, np.bool_),
        newest_time=ledger[1],
        delay_ms=np.full(count, NO_DELAY),
        recent=bytes(body[end:]),
    )


def _promise(stored: dict[str, Any] | None) -> PromiseState:
    """What a header says of the promise; a new state where it says nothing, or of other bets than today's."""
    fresh = PromiseState()
    if stored is None or len(stored["log_wealth"]) != len(fresh.log_wealth):
        return fresh
    return PromiseState(tuple(float(wealth) for wealth in stored["log_wealth"]), int(stored["records"]))
