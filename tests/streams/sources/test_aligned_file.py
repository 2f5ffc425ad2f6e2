"""Values that come one by one become rows of an entity and tick, in one order however they are read."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentwatch.domain.record import concatenate
from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.decoding.sound_decoding import decode_sound
from latentwatch.streams.sources.file_source import FileSource

START = 1_700_000_040
"""A whole minute."""
_LONG = {"time": "at", "long": {"name": "metric", "value": "value"}, "every": "60s"}
_FEATURES = {"load": "numeric", "state": "category", "up": "boolean"}


def _schema(**keys: Any) -> RecordSchema:
    return RecordSchema.model_validate({**_LONG, "entity": "host", "features": _FEATURES, **keys})


def _read(path: Path, schema: RecordSchema, at_once: int = 100) -> tuple[list[Any], list[tuple[int, str]], FileSource]:
    """Rows as (offset, entity, tick, values), refusals and values that are left out as (offset, reason)."""
    source = FileSource(str(path), record=schema)
    source.open()
    decoder = source.decoder(schema)
    source.seek(0, 0)
    parts = []
    while not source.finished:
        parts.append(decode_sound(decoder, source.poll(at_once, 0.1)))
    batch = concatenate(part.batch for part in parts)
    rows = [
        (int(offset), entity, (int(time) // 1_000_000 - START) // 60, tuple(values.values()))
        for offset, entity, time, values in zip(
            batch.offsets, batch.entities, batch.times, batch.all_values(), strict=True
        )
    ]
    refused = [each for part in parts for each in (*part.dead_letters, *part.unread)]
    return rows, sorted((each.position.offset, each.reason) for each in refused), source


def _write(path: Path, values: list[tuple[Any, ...]]) -> Path:
    keys = ("at", "host", "metric", "value")
    path.write_text("".join(json.dumps(dict(zip(keys, each, strict=False))) + "\n" for each in values))
    return path


def test_a_row_stands_where_its_last_value_comes_or_its_tick_is_over(tmp_path: Path):
    """Complete rows at once, others with the next tick of their entity or at the end; what never came is missing."""
    values = [
        *((START - 60, of, *value) for of in "ab" for value in (("load", 0), ("state", "run"), ("up", 1))),
        (START, "a", "load", 1.5),
        (START + 1, "b", "load", "2.5"),
        (START + 2, "a", "state", "run"),
        (START + 3, "a", "load", 1.25),  # the last one of the tick counts
        (START + 59, "a", "up", True),  # completes it
        (START + 59, "a", "load", 99.0),  # too late for it
        (START + 60, "b", "noise", 5),  # is no feature, and shows that b's tick is over
        (START + 61, "b", "state", "idle"),
        (START + 5, "b", "load", 99.0),  # of a tick that is over
        (START + 70, "b", "load", "?"),  # means no value
        (START + 75, "b", "load", "broken"),
        (START + 130, "a", "load", 3.0),
    ]
    rows, refused, source = _read(_write(tmp_path / "long.jsonl", values), _schema())
    assert rows == [
        (0, "a", -1, (0.0, "run", True)),
        (1, "b", -1, (0.0, "run", True)),
        (2, "a", 0, (1.25, "run", True)),
        (3, "b", 0, (2.5, None, None)),
        (4, "a", 2, (3.0, None, None)),
        (5, "b", 1, (None, "idle", None)),
    ]
    assert refused == [(4, "field 'load' is text ('broken'), a number that 32 bits hold belongs there")]
    assert len(rows) + source.aligned == len(values)


def test_values_of_which_no_row_comes_are_told_all_the_same(tmp_path: Path):
    """Each as a record of its own that cannot be read."""
    values = [(START, "a", "load", "broken"), (START + 60, "a", "load", "broken"), (START + 60, "a", "noise", 1)]
    path = _write(tmp_path / "long.jsonl", values)
    rows, refused, source = _read(path, _schema(features={"load": "numeric"}))
    assert [reason for _, reason in refused] == [
        "field 'load' is text ('broken'), a number that 32 bits hold belongs there"
    ] * 2
    assert (len(rows), source.aligned) == (0, 1)


def test_a_young_value_stands_for_one_that_does_not_come(tmp_path: Path):
    """Up to its age, and never one that came after the tick."""
    values = [
        (START, "a", "state", "run"),
        (START, "a", "up", 1),
        *((START + 60 * tick + 1, "a", "load", float(tick)) for tick in range(5)),
    ]
    rows, _, _ = _read(_write(tmp_path / "long.jsonl", values), _schema(age="3m"))
    assert [row[3][:2] for row in rows] == [(0.0, "run"), (1.0, "run"), (2.0, "run"), (3.0, None), (4.0, None)]


@pytest.mark.parametrize(("keys", "first"), [({}, 1), ({"age": "5m"}, 3), ({"age": "2m"}, 2)])
def test_rows_begin_when_everything_has_come_or_could_have(tmp_path: Path, keys: dict[str, Any], first: int):
    """What has not come yet since reading began is not missing: a row with holes is made once all came, or after an age or a tick."""
    values = [(START + 60 * tick + 1, "a", "load", float(tick)) for tick in range(6)]
    values[3:3] = [(START + 60 * 3, "a", "state", "run"), (START + 60 * 3, "a", "up", 1)]
    rows, _, _ = _read(_write(tmp_path / "long.jsonl", values), _schema(**keys))
    assert [row[2] for row in rows] == list(range(first, 6))


def test_csv_with_decimal_commas_is_aligned_too(tmp_path: Path):
    """As SCADA systems export it."""
    path = tmp_path / "long.csv"
    path.write_text(
        "metric;at;value\nload;14.11.2023 22:14:00;1,5\nup;14.11.2023 22:14:01;1\nload;14.11.2023 22:15:00;2\n"
    )
    schema = RecordSchema.model_validate({**_LONG, "features": {"load": "numeric", "up": "boolean"}})
    rows, _, _ = _read(path, schema)
    assert rows == [(0, "", 0, (1.5, True)), (1, "", 1, (2.0, None))]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 400),
            st.sampled_from("ab"),
            st.sampled_from(["load", "state", "up", "noise"]),
            st.sampled_from([1, 0, "x"]),
        ),
        max_size=40,
    ),
    st.integers(1, 7),
)
def test_the_rows_do_not_depend_on_how_the_file_is_read(tmp_path_factory: Any, values: list[Any], at_once: int):
    """At once, piece by piece, or again from a row in the middle: the same rows at the same places, every line accounted for."""
    path = _write(tmp_path_factory.mktemp("long") / "x.jsonl", [(START + each[0], *each[1:]) for each in values])
    if not values:
        return
    whole, refused, source = _read(path, _schema(age="2m"))
    rows = {row[0] for row in whole}
    dead = [place for place, _ in refused if place not in rows]
    assert len(whole) + source.aligned + len(dead) == len(values)
    assert _read(path, _schema(age="2m"), at_once)[:2] == (whole, refused)
    assert len(rows | {*dead}) == len(whole) + len(dead)
    again = FileSource(str(path), record=_schema(age="2m"))
    again.open()
    again.decoder(_schema(age="2m"))
    again.seek(0, 0)
    again.poll(3, 0.1)
    again.seek(0, 1)
    assert again.poll(100, 0.1).offsets.tolist() == list(range(1, len(whole) + len(dead)))


@pytest.mark.parametrize("keys", [{"every": None}, {"long": None}, {"time": None}, {"every": "0s"}])
def test_half_a_long_form_is_refused(keys: dict[str, Any]):
    """Each of its keys needs the others."""
    with pytest.raises(ValueError, match="'long' needs"):
        _schema(**keys)


def test_a_wide_and_a_long_table_give_the_same_history(tmp_path: Path):
    """What `pivot` makes of a long table is what alignment makes of it."""
    from latentwatch.history import read_history  # the room above: only this test looks from there

    rng = np.random.default_rng(5)
    features = {f"m{number}": "numeric" for number in range(4)}
    table = rng.normal(size=(50, 2, 4)).astype(np.float32)
    long = [
        (START + 60 * tick, f"h{host}", f"m{metric}", float(table[tick, host, metric]))
        for tick in range(50)
        for host in range(2)
        for metric in rng.permutation(4)
    ]
    batch = read_history(_schema(features=features), [str(_write(tmp_path / "long.jsonl", long))])
    assert np.array_equal(batch.numbers.reshape(50, 2, 4), table)


def test_messages_of_several_values_make_one_row_of_a_host(tmp_path: Path):
    """Telegraf's measurements of a host and tick, each with its fields: named by measurement, tag and field."""
    schema = RecordSchema.model_validate(
        {
            "time": "timestamp",
            "entity": "tags.host",
            "long": {"name": ["name", "tags.cpu"], "values": "fields"},
            "every": "10s",
            "features": {
                "mem.used": "numeric",
                "cpu.cpu0.idle": "numeric",
                "cpu1": {"type": "numeric", "path": "cpu.cpu1.idle"},
                "system.os": "category",
            },
        }
    )

    def line(at: int, name: str, fields: Any, **tags: str) -> str:
        return json.dumps({"timestamp": START + at, "name": name, "tags": {"host": "web1", **tags}, "fields": fields})

    def tick(at: int) -> list[str]:
        return [
            line(at, "mem", {"used": at, "free": 7}),
            line(at, "cpu", {"idle": 90.5, "user": 1}, cpu="cpu0"),
            line(at + 1, "cpu", {"idle": 80}, cpu="cpu1"),
            line(at, "disk", {"used": 1}, device="sda"),
            line(at, "system", {"os": "linux"}),
        ]

    path = tmp_path / "telegraf.jsonl"
    broken = [line(21, "mem", {"used": "much"}), line(22, "cpu", {"idle": [1]}, cpu="cpu0"), line(23, "mem", 5)]
    path.write_text("\n".join([*tick(0), *tick(10), *tick(20)[:2], *broken, line(24, "mem", None), *tick(40)]))
    rows, refused, source = _read(path, schema)
    assert [(tick, values) for _, _, tick, values in rows] == [
        (0, (0, 90.5, 80, "linux")),
        (0, (10, 90.5, 80, "linux")),
        (0, (20, 90.5, None, None)),
        (0, (40, 90.5, 80, "linux")),
    ]
    assert [reason for _, reason in refused] == [
        "field 'fields' is a number (5), an object of values belongs there",
        "field 'cpu.cpu0.idle' is a list ([1]), one value belongs there",
        "field 'mem.used' is text ('much'), a number that 32 bits hold belongs there",
    ]
    assert source.aligned + len(rows) + 1 == 21
