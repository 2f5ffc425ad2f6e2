"""Messages that are taken many at once come to the same rows as one by one, whatever happens between them."""

import random
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest

from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.alignment.calm_stretches import _calm_stretch, take_all
from latentwatch.streams.alignment.open_rows import AlignedRow, OpenRows
from latentwatch.streams.alignment.readings import ToldValues, Value, coded

EVERY, TICKS, WORD = 10, 60, 3
Message = tuple[str, int, dict[str, Value]]


def stream(rng: random.Random, width: int) -> Iterator[Message]:
    """Some hosts' values, one or several a message: late, doubled, lost or of no feature; hosts that fall silent or are new, and
    clocks that are set."""
    hosts, disorder, most = rng.randint(1, 5), rng.choice([0, 3, 12]), rng.choice([1, 1, 2, 4])
    strangers, jumps, silence = rng.choice([0, 0.1]), rng.choice([0, 0, 0.01]), rng.choice([0, 0, 1])
    for tick in range(TICKS):
        for host in range(hosts):
            if silence and host == 0 and tick // 7 % 2:
                continue
            features = [*rng.sample(range(width), width), *([0] if rng.random() < 0.1 else [])]
            while features:
                several, features = features[:most], features[most:]
                if rng.random() < 0.05:
                    continue
                at = 1000 + tick * EVERY + rng.randint(0, 9) - rng.randint(0, disorder)
                at += rng.choice([-400, 500]) if rng.random() < jumps else 0
                values = {f"f{each}": rng.random() if each != WORD else rng.choice("abc") for each in several}
                yield f"h{host}", at, {} if rng.random() < strangers else values


def one_by_one(rows: OpenRows, messages: list[Message]) -> list[tuple[int, AlignedRow]]:
    """Rows and the places of their messages."""
    taken = [rows.take(*message) for message in messages]
    return [(place, row) for place, row in enumerate(taken) if row is not None]


def at_once(rows: OpenRows, messages: list[Message]) -> list[tuple[int, AlignedRow]]:
    """The same, by `take_all`."""
    schema, words = schema_of(rows.width), list[str]()
    said = [(place, name, value) for place, (*_, values) in enumerate(messages) for name, value in values.items()]
    told = ToldValues(
        np.array([place for place, _, _ in said], np.intp),
        np.array([schema.names.index(name) for _, name, _ in said], np.intp),
        np.array([coded(value, words) for *_, value in said], np.float64),
        words,
        {},
        [],
    )
    times = np.array([at for _, at, _ in messages], np.int64)
    taken = take_all(rows, schema, [entity for entity, *_ in messages], times, told)
    return [pair for at, part in taken for pair in zip(at.tolist(), part.listed(), strict=True)]


def schema_of(width: int) -> RecordSchema:
    """Of so many features, one of which is a word."""
    kinds = {f"f{each}": "category" if each == WORD else "numeric" for each in range(width)}
    return RecordSchema.model_validate({"features": kinds})


@pytest.mark.parametrize("seed", range(120))
def test_many_at_once_come_to_the_same_rows(seed: int) -> None:
    """The same rows at the same places, and the same state after each batch, however the stream is cut."""
    rng = random.Random(seed)
    width, age = rng.randint(1, 6), rng.choice([0, 25, 60])
    singly, together = OpenRows(EVERY, age, width), OpenRows(EVERY, age, width)
    messages = list(stream(rng, width))
    while messages:
        count = rng.choice([1, 7, 50, 200, 1000])
        part, messages = messages[:count], messages[count:]
        assert at_once(together, part) == one_by_one(singly, part)
        assert msgspec.to_builtins(together) == msgspec.to_builtins(singly)


def test_an_even_stream_is_calm() -> None:
    """Of hosts that send in turn, nothing is taken one by one once they are known."""
    messages: list[Message] = [
        (f"h{host}", 1000 + tick * EVERY, {f"f{feature}": 0.5})
        for tick in range(100) for host in range(10) for feature in range(3)
    ]  # fmt: skip
    rows, known = OpenRows(EVERY, 0, 3), 40
    taken = at_once(rows, messages[:known])
    stretch = _calm_stretch(
        rows, [each[0] for each in messages[known:]], np.array([each[1] for each in messages[known:]])
    )
    assert stretch is not None
    assert len(stretch.codes) == len(messages) - known
    assert len(taken) + len(at_once(rows, messages[known:])) == 1000
