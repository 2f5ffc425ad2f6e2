"""What is fuzzed: a decoder of each format, sound messages for it, and how messages become records."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from latentwatch.domain.clock import ManualClock
from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.decoding.avro_decoding import AvroDecoder
from latentwatch.streams.decoding.columns import TimeBound
from latentwatch.streams.decoding.csv_decoding import CsvDecoder
from latentwatch.streams.decoding.json_decoding import JsonDecoder
from latentwatch.streams.decoding.schema_registry import UnknownSchema, WriterSchema
from latentwatch.streams.ports import Decoder, Messages
from latentwatch.streams.sources.array_source import split
from tests.streams.decoding.fuzzing.mutating import mutate_schema
from tests.streams.decoding.test_avro_decoding import WRITER, avro

FLAT = RecordSchema.model_validate({"time": "at", "entity": "rig", "features": {"a": "numeric", "b": "numeric"}})
NESTED = RecordSchema.model_validate(
    {
        "time": "meta.at",
        "entity": "meta.rig",
        "features": {
            "x": "numeric",
            "p": {"type": "numeric", "path": "motor.pressure"},
            "t": {"type": "numeric", "path": "motor.oil.temperature"},
            "on": {"type": "boolean", "path": "motor.on"},
            "mode": "category",
            "note": "text",
        },
    }
)
OF_AVRO = RecordSchema.model_validate(
    {
        "time": "at",
        "entity": "rig",
        "features": {
            "P": "numeric",
            "T": {"type": "numeric", "path": "motor.temperature"},
            "on": "boolean",
            "mode": "category",
            "note": "text",
        },
    }
)
COLUMNS = ["at", "rig", "x", "on", "mode", "note"]
OF_CSV = RecordSchema.model_validate(
    {"time": "at", "entity": "rig", "features": {"x": "numeric", "on": "boolean", "mode": "category", "note": "text"}}
)
_SOUND = 20
_WRITERS = 40


@dataclass(frozen=True)
class Format:
    """A format with one monitor's schema."""

    name: str
    schema: RecordSchema
    decoder: Decoder
    sound: list[bytes]
    """Messages that can be read."""
    records: Callable[[Messages], Messages] = lambda messages: messages
    """Messages to records, each of which has an outcome."""


class MutatedSchemas:
    """A registry whose first schema is sound, and which holds what mutation made of it behind that."""

    def __init__(self, random: Random) -> None:
        self._schemas = [WRITER, *(mutate_schema(WRITER, random) for _ in range(_WRITERS))]

    def schema(self, number: int) -> WriterSchema:
        """The schema of an id. Raises UnknownSchema."""
        if number >= len(self._schemas):
            raise UnknownSchema(f"no Avro schema {number}")
        return WriterSchema(self._schemas[number])


def formats(random: Random) -> list[Format]:
    """Every format; the sound messages, and the mutated writers' schemas of Avro, differ with the seed."""
    bound = TimeBound(ManualClock())
    readings = [_reading(random) for _ in range(_SOUND)]
    flat = [json.dumps({"at": r["at"], "rig": r["rig"], "a": r["x"], "b": r["y"]}).encode() for r in readings]
    nested = [json.dumps(_nested(reading)).encode() for reading in readings]
    arrays = [b"[" + b", ".join(random.sample(flat, random.randint(0, 4))) + b"]" for _ in range(_SOUND)]
    rows = [[str(r[name]) for name in ("at", "rig", "x", "on", "mode", "note")] for r in readings]
    written = [
        avro(WRITER, _written(reading), 0 if row % 2 else random.randrange(_WRITERS))
        for row, reading in enumerate(readings)
    ]
    return [
        Format("JSON, flat", FLAT, JsonDecoder(FLAT, bound), flat),
        Format("JSON, nested", NESTED, JsonDecoder(NESTED, bound), nested),
        Format("JSON, arrays", FLAT, JsonDecoder(FLAT), arrays, split),
        Format(
            "CSV, commas", OF_CSV, CsvDecoder(OF_CSV, COLUMNS, ",", bound), [",".join(row).encode() for row in rows]
        ),
        Format("CSV, semicolons", OF_CSV, CsvDecoder(OF_CSV, COLUMNS, ";"), [";".join(row).encode() for row in rows]),
        Format("Avro", OF_AVRO, AvroDecoder(OF_AVRO, MutatedSchemas(random), bound), written),
    ]


def _reading(random: Random) -> dict[str, Any]:
    return {
        "at": random.choice([1_700_000_000, "2024-01-01T00:00:00Z", "2024-01-01 00:00:00.5", "01.02.2024 3:04"]),
        "rig": f"rig-{random.randrange(5)}",
        "x": round(random.gauss(0, 9), 3),
        "y": random.choice([None, 1, 2.5]),
        "on": random.choice([True, False]),
        "mode": random.choice(["auto", "manual"]),
        "note": random.choice(["fine", "caf\u00e9", ""]),
    }


def _nested(reading: dict[str, Any]) -> dict[str, Any]:
    motor = {"pressure": reading["x"], "on": reading["on"], "oil": {"temperature": reading["y"]}}
    return {"meta": {"at": reading["at"], "rig": reading["rig"]}, "motor": motor, **reading}


def _written(reading: dict[str, Any]) -> dict[str, Any]:
    return {
        "note": reading["note"],
        "extra": {"k": [1.5, None]},
        "at": reading["at"],
        "rig": reading["rig"],
        "P": reading["x"],
        "motor": {"serial": b"\1\2", "temperature": 20.5},
        "on": reading["on"],
        "mode": reading["mode"],
    }
