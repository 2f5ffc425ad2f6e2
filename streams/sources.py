"""Opens the source that a monitor names, together with the decoder of its messages."""

from collections.abc import Callable
from threading import Event
from typing import Any

from domain.clock import Clock
from domain.errors import InvalidInput
from domain.monitor import Monitor
from streams.columns import TimeBound
from streams.decoding import decoder_for
from streams.file_source import FileSource
from streams.ports import Decoder, Source
from streams.waiting import wait_for


def open_source(
    monitor: Monitor,
    clock: Clock,
    stop: Event,
    *,
    kafka: str | None = None,
    kafka_options: dict[str, Any] | None = None,
    path: str | None = None,
    patience_seconds: float = float("inf"),
    tell: Callable[[str], None] | None = None,
) -> tuple[Source, Decoder]:
    """The monitor's own source, or the file at `path` (`-` for standard input) instead.

    `kafka` holds the bootstrap servers. Waits visibly for a broker or a topic that is away; raises Unavailable when
    patience ends, Stopped when `stop` is set, InvalidInput where waiting cannot help.
    """
    of_file, of_topic = monitor.source.file, monitor.source.kafka
    if path is not None or of_file is not None:
        chosen = path or (of_file.path if of_file else "")
        file = FileSource(chosen, of_file.format if of_file and path is None else "auto", clock)
        file.open()
        return file, file.decoder(monitor.record)
    assert of_topic is not None  # a monitor has exactly one source
    if not kafka:
        raise InvalidInput(
            f"monitor {monitor.name} reads the Kafka topic {of_topic.topic!r}, but no Kafka address is set;"
            " set LATENTWATCH_KAFKA to host:port"
        )
    if of_topic.client != "kafka-python":
        raise InvalidInput(f"monitor {monitor.name}: client {of_topic.client!r} is not installed; use kafka-python")
    from streams.kafka_source import KafkaSource  # 35 MB that a file does not need

    source = KafkaSource(of_topic.topic, kafka, monitor.group, start=of_topic.start, clock=clock, options=kafka_options)
    wait_for(source.open, clock, stop, patience_seconds=patience_seconds, tell=tell)
    return source, decoder_for(monitor.record, of_topic.format, bound=TimeBound(clock))
