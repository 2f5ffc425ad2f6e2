"""Objects of values that are read many at once say what each says alone."""

import json
import random
from typing import Any

import numpy as np
import pytest

from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.alignment.alignment import Alignment
from latentwatch.streams.alignment.readings import ValueReader
from latentwatch.streams.decoding.formats import decoder_for
from latentwatch.streams.ports import Messages

SCHEMA = RecordSchema.model_validate(
    {
        "time": "at",
        "entity": "tags.host",
        "long": {"name": ["name", "tags.cpu"], "values": "fields"},
        "every": "10s",
        "missing": [-200],
        "features": {
            **{f"cpu.{cpu}.{part}": "numeric" for cpu in ("cpu0", "cpu1") for part in ("idle", "user")},
            "mem.free": {"type": "numeric", "missing": ["n.v."]},
            "mem.total": "numeric",
            "net.bytes": "counter",
            "system.up": "boolean",
            "system.kind": "category",
        },
    }
)
STRANGE: list[Any] = [None, "5.5", "?", "n.v.", True, [1], {"a": 1}, 1e39, "broken", -200, 10**30, 10**400]


def messages(count: int, seed: int = 1) -> list[bytes]:
    """Objects of numbers, some of which are none, or no objects."""
    rng = random.Random(seed)

    def number() -> Any:
        return rng.choice(STRANGE) if rng.random() < 0.05 else rng.choice([rng.random(), rng.randint(0, 99)])

    found = []
    for place in range(count):
        name = rng.choice(["cpu", "mem", "net", "system", "other"])
        tags = {"host": f"h{rng.randint(0, 2)}", **({"cpu": rng.choice(["cpu0", "cpu1"])} if name == "cpu" else {})}
        keys = {"cpu": ["idle", "user"], "mem": ["free", "total", "rest"], "net": ["bytes"], "system": ["up", "kind"]}
        fields: Any = {key: number() for key in keys.get(name, ["x"]) if rng.random() < 0.95}
        if name == "system":
            fields = {**fields, "up": rng.choice([True, False, "maybe"]), "kind": rng.choice(["a", "b", 7])}
        if rng.random() < 0.02:
            fields = rng.choice([None, 5, "text", [1]])
        record = {"at": 1_700_000_000 + place // 20 * 10, "name": name, "tags": tags, "fields": fields}
        found.append(json.dumps(record).encode())
    return found


def as_messages(values: list[bytes], first: int = 0) -> Messages:
    """In one partition."""
    offsets = np.arange(first, first + len(values), dtype=np.int64)
    return Messages("t", np.zeros(len(values), np.int32), offsets, offsets, list(values))


def said(values: list[bytes]) -> tuple[list[tuple[int, str, Any]], dict[int, str]]:
    """Place, feature and value of what is told, and why some of it is not."""
    read = decoder_for(SCHEMA, "json").decode(as_messages(values))
    told = ValueReader(SCHEMA).read(read.batch)
    names = [SCHEMA.features[column] for column in told.columns.tolist()]
    places = read.batch.offsets[told.places].tolist()
    found = [
        (place, feature.name, value if feature.is_number else told.words[int(value)])
        for place, feature, value in zip(places, names, told.values.tolist(), strict=True)
    ]
    dead = {letter.position.offset: letter.reason for letter in read.dead_letters}
    misfits = {int(read.batch.offsets[place]): why for place, why in told.misfits.items()}
    unread = {int(read.batch.offsets[place]): misfit.reason for place, misfit in told.unread}
    return found, dead | misfits | unread


def test_many_at_once_say_what_each_says_alone() -> None:
    """The same values, and the same reasons, of plain numbers as of those among which others are."""
    values = messages(2_000)
    found, refused = said(values)
    each = [said([value]) for value in values]
    assert sorted(found) == sorted((place, *rest) for place, (told, _) in enumerate(each) for _, *rest in told)
    assert [place for place, *_ in found] == sorted(place for place, *_ in found)
    assert refused == {place: why for place, (_, dead) in enumerate(each) for why in dead.values()}
    assert len(refused) > 50
    assert {why for why in refused.values() if "object of values" in why}


@pytest.mark.parametrize("at_once", [1, 7, 400, 3_000])
def test_every_message_is_accounted_for_once(at_once: int) -> None:
    """Rows, dead letters and messages that only fill one are all that came, and the rows the same however the stream is cut."""
    decoder, values, rows = decoder_for(SCHEMA, "json"), messages(3_000, seed=2), []
    alignment, accounted = Alignment(SCHEMA), 0
    for start in range(0, len(values), at_once):
        part = as_messages(values[start : start + at_once], start)
        made = alignment.take(decoder.decode(part), part)
        accounted += len(made.batch) + len(made.dead_letters) + len(made.aligned)
        rows += list(
            zip(made.batch.offsets.tolist(), made.batch.entities.tolist(), made.batch.all_values(), strict=True)
        )
    assert accounted == len(values)
    assert len(rows) > 100
    whole = Alignment(SCHEMA)
    wanted = whole.take(decoder.decode(as_messages(values)), as_messages(values)).batch
    assert rows == list(zip(wanted.offsets.tolist(), wanted.entities.tolist(), wanted.all_values(), strict=True))


def test_counters_in_long_form_keep_64_bits() -> None:
    """Small steps of a large counter are not rounded away when rows are made."""
    schema = RecordSchema.model_validate(
        {"time": "at", "entity": "host", "long": {"name": "of", "value": "is"}, "every": "10s",
         "features": {"bytes": "counter", "load": "numeric"}}
    )  # fmt: skip
    values = [
        json.dumps({"at": 1_700_000_000 + 10 * tick, "host": "a", "of": of, "is": number}).encode()
        for tick in range(50)
        for of, number in (("bytes", 10_000_000_001 + 7 * tick), ("load", 0.1))
    ]
    part = as_messages(values)
    batch = Alignment(schema).take(decoder_for(schema, "json").decode(part), part).batch
    assert np.diff(batch.numbers[:, 0]).tolist() == [7.0] * 49
    assert set(batch.numbers[:, 1].tolist()) == {float(np.float32(0.1))}
