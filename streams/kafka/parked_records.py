"""Gives back what was half read when a partition was silenced, which kafka-python (3.0.12) may keep for ever.

The client parks such records and takes them out again only while no other records are in hand; but records in hand that
are used up still count as some. Meanwhile it fetches nothing for the partition, so that seeking it does not help either:
the partition stands still while the rest of the topic goes on.
"""

from typing import Any

from kafka import KafkaConsumer
from kafka.consumer.fetcher import Fetcher


def return_parked(consumer: KafkaConsumer) -> bool:
    """Have a consumer let go of records that are used up. False where this version of the client keeps them otherwise."""
    fetcher: Any = getattr(consumer, "_fetcher", None)
    if not isinstance(fetcher, Fetcher) or not hasattr(fetcher, "_next_partition_records"):
        return False
    fetched_records = fetcher.fetched_records

    def with_empty_hands(*arguments: Any, **options: Any) -> Any:
        if not fetcher._next_partition_records:
            fetcher._next_partition_records = None
        return fetched_records(*arguments, **options)

    fetcher.fetched_records = with_empty_hands
    return True
