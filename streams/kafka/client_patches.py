"""What we change inside kafka-python, in one place, and what is lost where a version of it has other inner parts.

pyproject.toml pins the versions that the changes were made for; `tests/services/test_kafka_source.py` runs them.
"""

import kafka
import structlog
from kafka import KafkaConsumer

from latentwatch.streams.kafka.group_joining import keep_assignments
from latentwatch.streams.kafka.parked_records import return_parked
from latentwatch.streams.kafka.record_batches import read_columns

log = structlog.get_logger()


def patch_consumer(consumer: KafkaConsumer) -> bool:
    """Change a consumer before it subscribes; whether its `poll` gives rows in columns from now on."""
    columnar = read_columns(consumer)
    if not columnar:
        tell_loss("reading records in columns", "records are read one by one: a scorer takes fewer a second")
    if not keep_assignments(consumer):
        tell_loss(
            "keeping assignments between polls", "a partition may stand still for some time after scorers join or leave"
        )
    if not return_parked(consumer):
        tell_loss(
            "giving back records of a silenced partition", "a partition that was paused may stand still until a restart"
        )
    return columnar


def tell_loss(patch: str, lost: str) -> None:
    """Log that a patch does not apply to the installed client, and what is lost without it."""
    log.warning(
        "kafka-python has other inner parts than this patch is for, going on without it; install a version that"
        " Latentwatch's pyproject.toml allows",
        patch=patch,
        lost=lost,
        version=kafka.__version__,
    )
