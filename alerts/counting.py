"""Counts of what was scored, added up in the transaction of the batch: by minute, and by group and day."""

from datetime import datetime

from sqlalchemy import Connection

from latentwatch.alerts.group_count_table import GroupCountRow
from latentwatch.alerts.tables import MinuteCountRow
from latentwatch.alerts.upserts import insert_or_add
from latentwatch.domain.outcome import MinuteCount, Outcome


def add_counts(connection: Connection, outcome: Outcome) -> None:
    """Add a batch's counts, in a shard that no other scorer writes while this one owns its partitions."""
    shard = min((move.partition for move in outcome.moves), default=0)
    _add_minutes(connection, outcome, shard)
    _add_groups(connection, outcome, shard)


def _add_minutes(connection: Connection, outcome: Outcome, shard: int) -> None:
    if not outcome.counts:
        return
    sums: dict[tuple[datetime, int], list[int]] = {}
    for count in outcome.counts:
        added = sums.setdefault((count.minute, count.model_version), [0] * 6)
        for place, number in enumerate(_numbers(count)):
            added[place] += number
    rows = [
        {
            "monitor": outcome.monitor,
            "minute": minute,
            "model_version": version,
            "shard": shard,
            "scored": added[0],
            "flagged": added[1],
            "exceeding_1": added[2],
            "exceeding_2": added[3],
            "exceeding_3": added[4],
            "exceeding_4": added[5],
        }
        for (minute, version), added in sorted(sums.items())
    ]
    insert_or_add(connection, MinuteCountRow, rows)


def _numbers(count: MinuteCount) -> tuple[int, ...]:
    return (count.scored, count.flagged, *count.exceeding)


def _add_groups(connection: Connection, outcome: Outcome, shard: int) -> None:
    sums: dict[tuple[datetime, int, str, str, str], int] = {}
    for count in outcome.groups:
        group = count.group
        key = (count.day, count.model_version, group.by.value, group.field, group.value)
        sums[key] = sums.get(key, 0) + count.scored
    rows = [
        {
            "monitor": outcome.monitor,
            "day": day,
            "model_version": version,
            "shard": shard,
            "grouped_by": by,
            "field": field,
            "value": value,
            "scored": scored,
        }
        for (day, version, by, field, value), scored in sorted(sums.items())
    ]
    insert_or_add(connection, GroupCountRow, rows)
