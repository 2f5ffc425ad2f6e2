"""What a Spark task does with its part of a micro-batch: the scoring loop itself, to the end of what is at hand.

Arrow batches of a Kafka partition -> the database, and one row a partition that says what came of it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from threading import Event

import numpy as np
import pyarrow as pa

from latentwatch.alerts.database import Engine, open_database
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.alerts.store import AlertStore
from latentwatch.detector.bundle import load_bundle
from latentwatch.detector.interface import Detector
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.errors import LatentwatchError
from latentwatch.domain.monitor import Monitor
from latentwatch.domain.schema import RecordSchema
from latentwatch.domain.sources import TopicSettings
from latentwatch.streams.batch_size import BatchSize
from latentwatch.streams.decoding.columns import TimeBound
from latentwatch.streams.decoding.registry_access import RegistryAccess
from latentwatch.streams.decoding.unpacking import unpacker
from latentwatch.streams.ports import Decoder, Messages, Source
from latentwatch.streams.scorer import Scorer
from latentwatch.streams.segments import segments
from latentwatch.streams.sources.array_source import ArraySource
from latentwatch.streams.sources.opening import topic_decoding
from latentwatch.streams.sources.slice_source import Rewound, SliceSource
from latentwatch.streams.watching.totals import Totals

DONE = "partition int, end long, records long, flagged long, dead_letters long, passed long, aligned long, version int, rewound boolean, refused string"
"""Columns of what a task says, in Spark's words."""
_DONE = pa.schema(
    [
        ("partition", pa.int32()),
        ("end", pa.int64()),
        ("records", pa.int64()),
        ("flagged", pa.int64()),
        ("dead_letters", pa.int64()),
        ("passed", pa.int64()),
        ("aligned", pa.int64()),
        ("version", pa.int32()),
        ("rewound", pa.bool_()),
        ("refused", pa.string()),
    ]
)
_RECORDS = 8_192


@dataclass(frozen=True)
class Task:
    """Everything a worker needs, wherever it runs. Holds the database's address: it travels inside the job alone."""

    monitor: Monitor
    database: str
    bundles: str
    registry: RegistryAccess
    begins: Mapping[int, int]
    """Partition to where the job's reading stands: nothing between here and the first message was left out."""
    earliest: Mapping[int, int]
    """Partition to where the topic began when the job did."""
    load: Callable[[str, str], Detector] = load_bundle

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Score into the database. A refusal is a result: raised, Spark would only try again."""
        topic = self.monitor.source.kafka
        assert topic is not None  # the job has looked
        messages = _messages(topic.topic, batches)
        if len(messages):
            yield pa.RecordBatch.from_pylist(self._score(messages, topic), schema=_DONE)

    def _score(self, messages: Messages, topic: TopicSettings) -> list[dict[str, object]]:
        clock, stop = SystemClock(), Event()
        engine = _engine(self.database)
        source: Source = SliceSource(messages, self.begins, self.earliest, clock=clock)
        unpack = unpacker(self.monitor.record, topic.arrays)
        if unpack is not None:
            source = ArraySource(source, unpack)
        store = AlertStore(engine, self.monitor.name, clock, durable=False)
        scorer = Scorer(
            self.monitor,
            source,
            lambda schema: _decoder(self.monitor, self.registry, schema),
            store,
            ModelRegistry(engine, clock),
            lambda bundle: _detector(self.load, self.bundles, bundle),
            clock=clock,
            pace=BatchSize(_RECORDS, _RECORDS),
        )
        rewound, refused = False, None
        try:
            scorer.run(stop)
        except Rewound:
            rewound = True
        except LatentwatchError as error:
            refused = str(error)
        ends = {partition: int(messages.offsets[last - 1]) + 1 for partition, _, last in segments(messages.partitions)}
        if not (rewound or refused or unpack):  # arrays of nothing move no position
            # Another process may have moved a partition while the last batch was under way: then it is to be read again.
            stands = store.positions(source.name)
            rewound = any(stands.get(partition, 0) < end for partition, end in ends.items())
        version = scorer.serving.version if scorer.serving else None
        totals = [scorer.totals, *(Totals() for _ in ends)]  # told once, however many partitions a task was given
        return [
            {
                "partition": partition,
                "end": end,
                "records": counted.records,
                "flagged": counted.flagged,
                "dead_letters": counted.dead_letters,
                "passed": counted.passed,
                "aligned": counted.aligned,
                "version": version,
                "rewound": rewound,
                "refused": refused,
            }
            for (partition, end), counted in zip(ends.items(), totals, strict=False)
        ]


def _messages(topic: str, batches: Iterable[pa.RecordBatch]) -> Messages:
    table = pa.Table.from_batches(list(batches) or [pa.RecordBatch.from_pylist([], schema=_MESSAGES)])
    return Messages(
        topic,
        table["partition"].to_numpy().astype(np.int32),
        table["offset"].to_numpy(),
        table["timestamp_ms"].to_numpy(),
        table["value"].to_pylist(),
    )


_MESSAGES = pa.schema(
    [("partition", pa.int32()), ("offset", pa.int64()), ("timestamp_ms", pa.int64()), ("value", pa.binary())]
)


@lru_cache(maxsize=4)
def _engine(database: str) -> Engine:
    """One pool of connections a worker process, however many micro-batches it sees."""
    return open_database(database)


_decoders: dict[tuple[str, RegistryAccess, str], Decoder] = {}


def _decoder(monitor: Monitor, registry: RegistryAccess, schema: RecordSchema) -> Decoder:
    """One a worker process, monitor and schema: what it has fetched and compiled serves later micro-batches too."""
    key = monitor.model_dump_json(), registry, schema.fingerprint()
    if key not in _decoders:
        _decoders[key] = topic_decoding(monitor, registry, TimeBound(SystemClock()))(schema)
    return _decoders[key]


@lru_cache(maxsize=4)
def _detector(load: Callable[[str, str], Detector], bundles: str, bundle: str) -> Detector:
    return load(bundles, bundle)
