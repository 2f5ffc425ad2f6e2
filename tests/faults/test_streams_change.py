"""What people change under a stream that runs: the fields of its writers, and the name of its group."""

import json

import pytest

from tests.faults.scene import Scene
from tests.streams.decoding.test_avro_decoding import avro
from tests.streams.registry_server import RegistryServer

PART = 40
FIELDS = {"at": "long", "rig": "string", "a": "double", "number": "double", "b": "double"}


def schema(*names: str) -> dict[str, object]:
    """A writer's schema of some fields."""
    fields = [{"name": name, "type": FIELDS[name]} for name in names]
    return {"type": "record", "name": "Reading", "fields": fields}


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_an_avro_field_added_and_removed_midway(scene: Scene) -> None:
    """A field that the monitor does not name changes nothing, one that it names is a missing value where the writer has
    dropped it: every record is scored by the schema that wrote it, also in one batch and after a restart."""
    usual, more, less = ("at", "rig", "a", "number"), ("at", "rig", "b", "a", "number"), ("at", "rig", "number")
    writers = {number: schema(*names) for number, names in enumerate((usual, more, less, usual), 1)}
    reading = {"at": 1_700_000_000, "rig": "rig-1", "a": 0.5, "number": 1.0, "b": 7.0}

    def sent(number: int) -> tuple[int, bytes]:
        writer = writers[number // PART + 1]
        values = {**reading, "at": reading["at"] + number}
        return 0, avro(
            writer, {name: values[name] for name in (field["name"] for field in writer["fields"])}, number // PART + 1
        )  # type: ignore[attr-defined]

    with RegistryServer().running() as registry:
        for number, writer in writers.items():
            registry.register(number, writer)
        scorer = scene.start(records=30, registry=registry.url)
        scene.send(sent(number) for number in range(2 * PART))
        scene.wait_for(2 * PART)
        assert scene.stop(scorer) == 0
        scene.send(sent(number) for number in range(2 * PART, 4 * PART))
        scene.start(records=30, registry=registry.url)
        scene.wait_for(4 * PART)
    assert not scene.ask("SELECT * FROM dead_letters")
    rows = dict(scene.ask('SELECT "offset", "values" FROM flagged_records'))  # type: ignore[arg-type]
    values = {at: row if isinstance(row, dict) else json.loads(row) for at, row in rows.items()}
    assert {at for at, row in values.items() if row.get("a") is None} == set(range(2 * PART, 3 * PART))
    assert all(row["number"] == 1.0 and "b" not in row for row in values.values())


def test_a_group_renamed(scene: Scene) -> None:
    """Positions are the database's: under another group's name the stream goes on where it stood, and while scorers of
    both groups read every partition, each record still has one outcome."""
    scene.produce(200)
    first = scene.start(records=10)
    scene.wait_for(200)
    second = scene.start(records=10, group=f"renamed-{scene.topic}")
    scene.wait_to_read("partition taken up", second)
    scene.produce(300)
    scene.wait_for(500)
    assert scene.stop(first) == 0
    scene.produce(100)
    scene.settle(same_as_undisturbed="gain-1.0")
