"""Reads Kafka's record batches as columns, where the client makes five Python objects of every record.

The client's own reader is two thirds of what a record costs in `poll`. This one keeps everything around it (fetching,
checksums, decompression, transactions, positions) and replaces the innermost loop by compiled code.
"""

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from kafka import KafkaConsumer
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatch
from numpy.typing import NDArray

from latentwatch.detector.kernels import compiled

Row: TypeAlias = tuple[int, int, bytes | None]
"""Offset, timestamp in milliseconds, value."""

_READ_COMMITTED = 1
_RECORDS_PARTS = (
    "take", "drain", "_maybe_skip_record", "_unpack_records", "_consume_aborted_transactions_up_to",
    "_contains_abort_marker", "_is_batch_aborted",
)  # fmt: skip
"""What `ColumnarRecords` replaces and calls of the client's own class."""
_BATCH_PARTS = ("_maybe_uncompress", "records_count", "first_timestamp", "max_timestamp", "base_offset", "next_offset")


class ColumnarRecords(Fetcher.PartitionRecords):  # type: ignore[misc]
    """One partition's fetched records; `take` gives rows instead of the client's record objects."""

    def take(self, n: int | None = None) -> list[Row]:
        """At most `n` rows; the position follows them."""
        rows: list[Row] = super().take(n)
        if rows and self.record_iterator is not None:
            self.next_fetch_offset = rows[-1][0] + 1
        return rows

    def _maybe_skip_record(self, record: Row) -> bool:
        return record[0] < int(self.fetch_offset)

    def _unpack_records(self, tp: Any, records: Any, *_: Any) -> Iterator[Row]:
        """Rows of every batch in turn, without those of aborted transactions and without control records."""
        last = None
        while (batch := records.next_batch()) is not None:
            last = batch
            if self.check_crcs and not batch.validate_crc():
                raise CorruptRecordError(f"{tp}: the batch at offset {batch.base_offset} fails its checksum")
            if batch.magic < 2:
                rows: Iterator[Row] = ((record.offset, record.timestamp, record.value) for record in batch)
            else:
                self.leader_epoch = batch.leader_epoch
                if self._is_aborted(batch) or batch.is_control_batch:
                    self.next_fetch_offset = batch.next_offset
                    continue
                rows = read_rows(batch)
            yield from rows
        # A batch keeps its last offset when compaction has removed its last record: go on behind it.
        if last is not None and last.magic == 2:
            self.next_fetch_offset = last.next_offset
        self.drain()

    def _is_aborted(self, batch: Any) -> bool:
        if self.isolation_level != _READ_COMMITTED or not batch.has_producer_id():
            return False
        self._consume_aborted_transactions_up_to(batch.last_offset)
        if self._contains_abort_marker(batch):
            self.aborted_producer_ids.discard(batch.producer_id)
            return False
        return bool(self._is_batch_aborted(batch))


def read_columns(consumer: KafkaConsumer) -> bool:
    """Have a consumer's `poll` return rows; False where this version of the client keeps its records elsewhere."""
    fetcher: Any = getattr(consumer, "_fetcher", None)
    if not isinstance(fetcher, Fetcher) or not hasattr(fetcher, "PartitionRecords"):
        return False
    if not all(hasattr(fetcher.PartitionRecords, part) for part in _RECORDS_PARTS):
        return False
    if not all(hasattr(DefaultRecordBatch, part) for part in _BATCH_PARTS):
        return False
    fetcher.PartitionRecords = ColumnarRecords
    return True


def read_rows(batch: Any) -> Iterator[Row]:
    """The rows of a batch of format 2. Raises CorruptRecordError where its bytes are not what they should be."""
    batch._maybe_uncompress()
    data, count = bytes(batch._buffer), batch.records_count
    table = np.empty((4, count), np.int64)
    if scan(np.frombuffer(data, np.uint8), batch._pos, table) != len(data):
        raise CorruptRecordError(f"the batch at offset {batch.base_offset} cannot be read: its records do not fill it")
    offsets, timestamps, starts, ends = table
    offsets += batch.base_offset
    timestamps += batch.first_timestamp
    if batch.timestamp_type:  # the broker's clock, one for the batch
        timestamps[:] = batch.max_timestamp
    places = zip(starts.tolist(), ends.tolist(), strict=True)
    values = [data[start:end] if start >= 0 else None for start, end in places]
    return zip(offsets.tolist(), timestamps.tolist(), values, strict=True)


def _varint(data: NDArray[np.uint8], position: int) -> Any:
    """A zigzag number, and the place behind it or -1 where it leaves the data."""
    value, shift = np.int64(0), np.int64(0)
    while position < len(data) and shift < 64:
        byte = np.int64(data[position])
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return (value >> 1) ^ -(value & 1), position
        shift += 7
    return 0, -1


_varint = compiled(_varint)


@compiled
def scan(data: NDArray[np.uint8], position: int, table: NDArray[np.int64]) -> int:
    """Fill [4, count] offset delta, timestamp delta, value start, value end (-1: no value); the place behind the last.

    -1 where lengths contradict each other. Kafka's protocol, record format 2: length, attributes, timestamp delta,
    offset delta, key, value, headers; all numbers zigzag varints.
    """
    for record in range(table.shape[1]):
        length, position = _varint(data, position)
        if position < 0 or length < 0 or length > len(data) - position:
            return -1
        end = position + length
        position += 1  # attributes
        table[1, record], position = _varint(data, position)
        if position < 0:
            return -1
        table[0, record], position = _varint(data, position)
        if position < 0:
            return -1
        key, position = _varint(data, position)
        if position < 0 or key > end - position:
            return -1
        position += max(key, 0)
        value, position = _varint(data, position)
        if position < 0 or value > end - position:
            return -1
        table[2, record] = position if value >= 0 else -1
        table[3, record] = position + value if value >= 0 else -1
        position = end  # headers are not read
    return position
