"""The database side of grouping: flagged records in; alerts opened or grown, and their notifications, out."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any
from zlib import crc32

from sqlalchemy import Connection, and_, bindparam, insert, or_, select, update

from latentwatch.alerts.announcing import OUTLASTS, News
from latentwatch.alerts.columns import storable
from latentwatch.alerts.courses import keep, keep_further, tell
from latentwatch.alerts.flagged_rows import flagged_row
from latentwatch.alerts.grouping import Episode, group, shifted
from latentwatch.alerts.incidents import join_incidents, stand_alone
from latentwatch.alerts.kept_trace import led_up_to, parts_of
from latentwatch.alerts.session import take_turns
from latentwatch.alerts.silences import silences_since
from latentwatch.alerts.snoozing import wake_critical
from latentwatch.alerts.steps import ask, waiting_alerts
from latentwatch.alerts.tables import (
    AlertEventRow,
    AlertRow,
    FlaggedRecordRow,
)
from latentwatch.alerts.upserts import insert_unless_stored
from latentwatch.domain.alert import AlertKind, AlertStatus, Arrival, FlaggedRecord, Severity
from latentwatch.domain.incident import Opening, pattern_of
from latentwatch.domain.incident_rule import IncidentRule
from latentwatch.domain.outcome import Receipt, Stretch
from latentwatch.domain.record import Position
from latentwatch.domain.rules import Crossing

ENTITY_LIMIT = 400
"""Characters of an entity's name that are kept; PostgreSQL's indexes hold no more than 2,700 bytes an entry."""
_LOCK_BUCKETS = 512


def entity_key(entity: str) -> str:
    """The name under which an entity is stored: storable, and short enough for an index."""
    name = storable(entity)
    if len(name) <= ENTITY_LIMIT:
        return name
    return f"{name[: ENTITY_LIMIT - 20]}…{blake2b(name.encode(), digest_size=8).hexdigest()}"


class StoredBefore(Exception):
    """Some of the flagged records are in the database already."""


def store_flagged(
    connection: Connection,
    monitor: str,
    records: Sequence[FlaggedRecord],
    gap: timedelta,
    rule: IncidentRule,
    now: datetime,
    *,
    look_first: bool,
    stretches: Sequence[Stretch] = (),
) -> tuple[Receipt, News]:
    """Write flagged records and the alerts they belong to; returns also what people must be told of.

    Records stored by an earlier commit, which only an offset moved back by hand can bring, are passed over, at the price
    of a query; without `look_first` they raise StoredBefore instead, after which the transaction must be rolled back.
    Two scorers that flag the same entity take turns. `stretches` are the records around the flagged ones.
    """
    fresh = _once(records, _stored(connection, monitor, records) if look_first else set())
    if not fresh:
        return Receipt(), News()
    take_turns(connection, turns_of(monitor, {record.entity for record in fresh}))
    known = _growing(connection, monitor, fresh, gap)
    silences = silences_since(connection, monitor, min(record.time for record in fresh))
    assigned = group(fresh, known, gap, silences, rule.stake)
    touched = list(dict.fromkeys(assigned))
    opened = [episode for episode in touched if episode.id is None]
    extended = [episode for episode in touched if episode.id is not None]
    parts = parts_of(_by_key(stretches))
    before = led_up_to(connection, monitor, touched, parts, gap)
    told = tell(connection, fresh, assigned, before)
    _open(connection, monitor, opened, now)
    extend(connection, extended, now)
    late = {each.id for record, each in zip(fresh, assigned, strict=True) if record.arrival is not Arrival.IN_ORDER}
    grown = [each.id for each in extended if each.id is not None and each.id in late and not each.untold]
    join_incidents(connection, monitor, [_opening(each, rule) for each in opened if not each.untold], rule, grown)
    stand_alone(connection, monitor, [_opening(each, rule) for each in opened if each.untold])
    _note_outlasting(connection, opened, now)
    rows = [flagged_row(monitor, record, each.id) for record, each in zip(fresh, assigned, strict=True)]
    if not insert_unless_stored(connection, FlaggedRecordRow, rows):
        raise StoredBefore
    ask(connection, monitor, fresh, assigned, now)
    owners = {record.position: episode for record, episode in zip(fresh, assigned, strict=True)}
    keep(connection, monitor, told, before, parts, owners, gap, now)
    escalated = [e for e in extended if e.severity is Severity.CRITICAL and e.stored_severity is not Severity.CRITICAL]
    record_escalations(connection, escalated, now)
    announced = [episode for episode in opened if not episode.untold]
    loud = [episode for episode in escalated if not episode.untold]
    louder = [episode for episode in extended if not episode.untold and _rose(episode)]
    positions = {
        each.id: each.opening.position for each in announced if each.id is not None and each.opening is not None
    }
    culprits = {each.id: told.culprits[each] for each in told.culprits if each.id is not None and not each.untold}
    return Receipt(_ids(opened), _ids(extended)), News(
        positions, frozenset(_ids(loud)), frozenset(_ids(louder)), culprits
    )


def keep_recoveries(connection: Connection, monitor: str, stretches: Sequence[Stretch], gap: timedelta) -> None:
    """Keep the courses of alerts none of whose records is flagged in this commit."""
    if stretches:
        keep_further(connection, monitor, parts_of(_by_key(stretches)), gap)


def _by_key(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Stretches under the names by which their entities are stored."""
    return [replace(each, entity=entity_key(each.entity)) for each in stretches]


def _rose(episode: Episode) -> bool:
    ranks = list(Severity)
    before = episode.stored_severity
    return before is not None and ranks.index(episode.severity) > ranks.index(before)


def _opening(episode: Episode, rule: IncidentRule) -> Opening:
    assert episode.id is not None
    assert episode.opening is not None
    record = episode.opening
    pattern = pattern_of(record.explanation.contributions)
    return Opening(episode.id, episode.entity, record.time, pattern, episode.ended, rule.shown(record.values))


def _ids(episodes: Iterable[Episode]) -> tuple[int, ...]:
    return tuple(episode.id for episode in episodes if episode.id is not None)


def _once(records: Sequence[FlaggedRecord], stored: set[Position]) -> list[FlaggedRecord]:
    """Each record once, without the stored ones, its entity under the name it is stored by."""
    seen, fresh = set(stored), []
    for record in records:
        if record.position not in seen:
            seen.add(record.position)
            name = entity_key(record.entity)
            fresh.append(record if name == record.entity else replace(record, entity=name))
    return fresh


def _stored(connection: Connection, monitor: str, records: Sequence[FlaggedRecord]) -> set[Position]:
    """Positions of the stored records that lie between the given ones."""
    offsets: dict[tuple[str, int], list[int]] = {}
    for record in records:
        offsets.setdefault(record.position[:2], []).append(record.position.offset)
    row = FlaggedRecordRow
    spans = [
        and_(row.source == source, row.partition == partition, row.offset.between(min(span), max(span)))
        for (source, partition), span in sorted(offsets.items())
    ]
    found = connection.execute(select(row.source, row.partition, row.offset).where(row.monitor == monitor, or_(*spans)))
    return {Position(*position) for position in found}


def turns_of(monitor: str, entities: Iterable[str]) -> set[str]:
    """What to lock so that two scorers that read an entity from two partitions do not each open an alert for it.

    The entities share a bounded number of locks, because the server's lock table is bounded.
    """
    return {f"alerts of {monitor}, {crc32(entity.encode()) % _LOCK_BUCKETS}" for entity in entities}


_GROWING = (
    select(
        AlertRow.entity,
        AlertRow.started,
        AlertRow.ended,
        AlertRow.records,
        AlertRow.peak_surprise,
        AlertRow.peak_source,
        AlertRow.peak_partition,
        AlertRow.peak_offset,
        AlertRow.threshold,
        AlertRow.model_version,
        AlertRow.features,
        AlertRow.summary,
        AlertRow.crossed,
        AlertRow.at_stake,
        AlertRow.stake_named,
        AlertRow.id,
        AlertRow.severity,
        AlertRow.silence_id,
        AlertRow.status,
    )
    .where(
        AlertRow.monitor == bindparam("of_monitor"),
        AlertRow.kind == AlertKind.ANOMALY,
        AlertRow.entity.in_(bindparam("of_entities", expanding=True)),
        or_(
            and_(AlertRow.ended >= bindparam("since"), AlertRow.started <= bindparam("until")),
            AlertRow.id.in_(bindparam("waiting", expanding=True)),
        ),
        or_(AlertRow.status != AlertStatus.CLOSED, AlertRow.verdict.is_not(None)),
    )
    .order_by(AlertRow.id)
    .with_for_update()
)


def _growing(connection: Connection, monitor: str, records: Sequence[FlaggedRecord], gap: timedelta) -> list[Episode]:
    """Alerts that may take one of the records in: not closed, or closed by the verdict on a stretch that goes on. Among them
    are those that a change began with that is asked about, and those whose question is asked again."""
    again = [record.entity for record in records if record.grounds.step]
    begun = [record.grounds.step.since for record in records if record.grounds.step]
    waiting = waiting_alerts(connection, monitor, again) if again else []
    bounds = {
        "waiting": waiting,
        "of_monitor": monitor,
        "of_entities": sorted({record.entity for record in records}),
        "since": shifted(min([*(record.time for record in records), *begun]), -gap),
        "until": shifted(max(record.time for record in records), gap),
    }
    rows = connection.execute(_GROWING, bounds)
    return [
        Episode(
            entity=row.entity,
            started=row.started,
            ended=row.ended,
            records=row.records,
            peak_surprise=row.peak_surprise,
            peak=Position(row.peak_source, row.peak_partition, row.peak_offset),
            threshold=row.threshold,
            model_version=row.model_version,
            features=row.features,
            summary=row.summary,
            crossed=tuple(Crossing(**one) for one in row.crossed),
            at_stake=row.at_stake,
            stake_named=row.stake_named,
            id=row.id,
            stored_severity=row.severity,
            silence=row.silence_id,
            untold=row.status is AlertStatus.SILENCED,
            asked=row.id in waiting,
        )
        for row in rows
    ]


def _grown_columns(episode: Episode, now: datetime) -> dict[str, Any]:
    return {
        "severity": episode.severity,
        "over": False,
        "started": episode.started,
        "ended": episode.ended,
        "records": episode.records,
        "peak_surprise": episode.peak_surprise,
        "peak_source": episode.peak.source,
        "peak_partition": episode.peak.partition,
        "peak_offset": episode.peak.offset,
        "threshold": episode.threshold,
        "model_version": episode.model_version,
        "features": episode.features,
        "summary": episode.summary,
        "crossed": [crossing.to_json() for crossing in episode.crossed],
        "at_stake": episode.at_stake,
        "stake_named": episode.stake_named,
        "updated": now,
    }


def _open(connection: Connection, monitor: str, episodes: Sequence[Episode], now: datetime) -> None:
    if not episodes:
        return
    rows = [
        {
            **_grown_columns(episode, now),
            "monitor": monitor,
            "entity": episode.entity,
            "kind": AlertKind.ANOMALY,
            "status": AlertStatus.SILENCED if episode.untold else AlertStatus.OPEN,
            "silence_id": episode.silence,
            "created": now,
        }
        for episode in episodes
    ]
    numbered = connection.execute(insert(AlertRow).returning(AlertRow.id, sort_by_parameter_order=True), rows)
    for episode, number in zip(episodes, numbered.scalars(), strict=True):
        episode.id = number


_EXTEND = update(AlertRow).where(AlertRow.id == bindparam("alert"))


def extend(connection: Connection, episodes: Sequence[Episode], now: datetime) -> None:
    """Write down how stored episodes have grown, in their alerts."""
    if episodes:
        connection.execute(_EXTEND, [{"alert": episode.id, **_grown_columns(episode, now)} for episode in episodes])


def _note_outlasting(connection: Connection, episodes: Sequence[Episode], now: datetime) -> None:
    """Note in new alerts' histories which silence hid what they go on from; their messages say so too."""
    rows = [
        {
            "alert_id": episode.id,
            "kind": OUTLASTS,
            "author": "",
            "note": f"it goes on from what silence {episode.outlasts} hid",
            "created": now,
        }
        for episode in episodes
        if episode.outlasts is not None
    ]
    if rows:
        connection.execute(insert(AlertEventRow), rows)


def record_escalations(connection: Connection, episodes: Sequence[Episode], now: datetime) -> None:
    """Note in the alerts' histories that they became critical; a snooze ends with that."""
    wake_critical(connection, _ids(episodes), now)
    if episodes:
        rows = [
            {
                "alert_id": episode.id,
                "kind": "escalated",
                "author": "",
                "note": f"became critical: {episode.records} records, peak surprise {episode.peak_surprise:.1f}",
                "created": now,
            }
            for episode in episodes
        ]
        connection.execute(insert(AlertEventRow), rows)
