"""Model versions, how they were judged, and the one that serves; promotion is one row in one transaction.

Versions of a monitor count from 1. At most one is the champion, which the database itself enforces.
"""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from latentwatch.alerts.exceptions import exceptions_in_force
from latentwatch.alerts.outbox import announce_held
from latentwatch.alerts.session import reading, take_turns, transaction
from latentwatch.alerts.tables import ModelVersionRow, PromotionRow
from latentwatch.domain.clock import Clock, SystemClock
from latentwatch.domain.errors import InvalidInput, NotFound
from latentwatch.domain.exceptions import Exceptions
from latentwatch.domain.model import Evaluation, Judgement, ModelVersion, VersionStatus


class ModelRegistry:
    """Every monitor's versions. Safe to share between threads and processes; each method is one transaction."""

    def __init__(self, engine: Engine, clock: Clock | None = None) -> None:
        self._engine = engine
        self._clock = clock or SystemClock()

    def register(
        self,
        monitor: str,
        bundle: str,
        kind: str,
        trained_records: int,
        history_start: datetime | None,
        history_end: datetime | None,
        evaluation: Evaluation | None,
        training_digest: str | None = None,
    ) -> ModelVersion:
        """Give a trained bundle the next version number, as a candidate.

        A bundle that is a candidate of the monitor already keeps its number, so that a repeated task registers once.
        """
        with transaction(self._engine) as session:
            _take_turns(session, monitor)
            waiting = session.scalars(
                select(ModelVersionRow).filter_by(monitor=monitor, bundle=bundle, status=VersionStatus.CANDIDATE)
            ).first()
            if waiting is not None:
                return _version(waiting)
            last = session.scalar(select(func.max(ModelVersionRow.version)).filter_by(monitor=monitor))
            row = ModelVersionRow(
                monitor=monitor,
                version=(last or 0) + 1,
                bundle=bundle,
                kind=kind,
                status=VersionStatus.CANDIDATE,
                created=self._clock.now(),
                promoted=None,
                trained_records=trained_records,
                history_start=history_start,
                history_end=history_end,
                evaluation=None if evaluation is None else asdict(evaluation),
                reasons=[],
                training_digest=training_digest,
            )
            session.add(row)
            return _version(row)

    def judge(self, monitor: str, version: int, judgement: Judgement) -> ModelVersion:
        """Let a candidate in, retiring the champion, or hold it. A version that was judged before stays as it was.

        Of one that is held the monitor's channels are told, unless it is the very model that serves already.

        Raises NotFound.
        """
        with transaction(self._engine) as session:
            _take_turns(session, monitor)
            row = _row(session, monitor, version)
            if row.status is not VersionStatus.CANDIDATE:
                return _version(row)
            row.reasons = list(judgement.reasons)
            champion = _champion(session, monitor)
            if judgement.promote:
                self._crown(session, row, champion)
            else:
                row.status = VersionStatus.HELD
                if champion is None or champion.bundle != row.bundle:
                    told = session.connection()
                    announce_held(told, monitor, version, row.bundle, judgement.reasons, self._clock.now())
            serving = row if judgement.promote else champion
            self._record(session, "promoted" if judgement.promote else "held", row, serving, champion)
            return _version(row)

    def refuse(self, monitor: str, version: int, reason: str) -> ModelVersion | None:
        """Write down that a version's bundle is damaged; the one that served before it serves again.

        The last version that can serve is not refused: nothing automatic leaves a monitor without a champion. Returns the
        champion from now on. Refusing twice changes nothing. Raises NotFound.
        """
        with transaction(self._engine) as session:
            _take_turns(session, monitor)
            row = _row(session, monitor, version)
            champion = _champion(session, monitor)
            former = _former(session, row) if champion is row else None
            last = champion is row and former is None
            if row.status is not VersionStatus.REFUSED and not last:
                row.status = VersionStatus.REFUSED
                row.reasons = [*row.reasons, reason]
                before = champion
                if former is not None:
                    session.flush()
                    self._crown(session, former, None)
                    champion = former
                self._record(session, "refused", row, champion, before, [reason])
            return None if champion is None else _version(champion)

    def rollback(self, monitor: str, reason: str = "rolled back by hand") -> ModelVersion:
        """Have the version that served before the champion serve again. Raises InvalidInput where there is none."""
        with transaction(self._engine) as session:
            _take_turns(session, monitor)
            champion = _champion(session, monitor)
            former = None if champion is None else _former(session, champion)
            if former is None:
                raise InvalidInput(f"monitor {monitor!r} has no earlier champion to go back to; train and judge one")
            self._crown(session, former, champion)
            self._record(session, "rolled back", former, former, champion, [reason])
            return _version(former)

    def restore(self, monitor: str, version: int, reason: str) -> ModelVersion:
        """Take a refusal back: the version may serve again, and does at once where no other serves.

        Raises InvalidInput where it is not refused, NotFound where there is no such version.
        """
        with transaction(self._engine) as session:
            _take_turns(session, monitor)
            row, champion = _row(session, monitor, version), _champion(session, monitor)
            if row.status is not VersionStatus.REFUSED:
                raise InvalidInput(
                    f"version {version} of monitor {monitor!r} is {row.status.value}, not refused; there is nothing to take"
                    f" back. 'latentwatch models promote {monitor} {version}' has it serve"
                )
            row.status = VersionStatus.RETIRED if row.promoted else VersionStatus.HELD
            if champion is None:
                self._crown(session, row, None)
            self._record(session, "restored", row, champion or row, champion, [reason])
            return _version(row)

    def promote(self, monitor: str, version: int, reason: str) -> ModelVersion:
        """Have a version serve because a person says so, whatever the judge said.

        Raises InvalidInput where its bundle was refused, NotFound where there is no such version.
        """
        with transaction(self._engine) as session:
            _take_turns(session, monitor)
            row, champion = _row(session, monitor, version), _champion(session, monitor)
            if row.status is VersionStatus.REFUSED:
                raise InvalidInput(
                    f"version {version} of monitor {monitor!r} was refused ({row.reasons[-1]}); take that back first:"
                    f" 'latentwatch models restore {monitor} {version}'"
                )
            if champion is not row:
                self._crown(session, row, champion)
                self._record(session, "promoted", row, row, champion, [reason])
            return _version(row)

    def exceptions(self, monitor: str) -> Exceptions:
        """The exceptions under which whichever version serves. Raises Unavailable."""
        return exceptions_in_force(self._engine, monitor)

    def champion(self, monitor: str) -> ModelVersion | None:
        """The version that serves."""
        with reading(self._engine) as session:
            row = _champion(session, monitor)
            return None if row is None else _version(row)

    def versions(self, monitor: str | None = None, limit: int = 200) -> list[ModelVersion]:
        """Versions of a monitor, or of every one in the order of their names; newest first."""
        query = select(ModelVersionRow).order_by(ModelVersionRow.monitor, ModelVersionRow.version.desc()).limit(limit)
        if monitor is not None:
            query = query.filter_by(monitor=monitor)
        with reading(self._engine) as session:
            return [_version(row) for row in session.scalars(query)]

    def version(self, monitor: str, version: int) -> ModelVersion:
        """One version. Raises NotFound."""
        with reading(self._engine) as session:
            return _version(_row(session, monitor, version))

    def _crown(self, session: Session, row: ModelVersionRow, champion: ModelVersionRow | None) -> None:
        if champion is not None:
            champion.status = VersionStatus.RETIRED
            session.flush()  # the index allows one champion at any moment, within a transaction too
        row.status = VersionStatus.CHAMPION
        row.promoted = self._clock.now()

    def _record(
        self,
        session: Session,
        action: str,
        row: ModelVersionRow,
        champion: ModelVersionRow | None,
        former: ModelVersionRow | None,
        reasons: list[str] | None = None,
    ) -> None:
        session.add(
            PromotionRow(
                monitor=row.monitor,
                action=action,
                version=row.version,
                champion=None if champion is None else champion.version,
                former=None if former is None else former.version,
                reasons=row.reasons if reasons is None else reasons,
                created=self._clock.now(),
            )
        )


def _take_turns(session: Session, monitor: str) -> None:
    take_turns(session.connection(), [f"versions of {monitor}"])


def _row(session: Session, monitor: str, version: int) -> ModelVersionRow:
    row = session.get(ModelVersionRow, (monitor, version))
    if row is None:
        last = session.scalar(select(func.max(ModelVersionRow.version)).filter_by(monitor=monitor))
        raise NotFound(
            f"monitor {monitor!r} has no model version {version}; "
            + (f"its versions go from 1 to {last}" if last else "it has none yet, train one")
        )
    return row


def _champion(session: Session, monitor: str) -> ModelVersionRow | None:
    return session.scalars(
        select(ModelVersionRow).filter_by(monitor=monitor, status=VersionStatus.CHAMPION)
    ).one_or_none()


def _former(session: Session, champion: ModelVersionRow) -> ModelVersionRow | None:
    """The version that served before a champion was promoted and can still be loaded.

    It is the one that the promotion replaced, not the one that served last: what was rolled back does not come back.
    """
    log = PromotionRow
    version, seen = champion.version, {champion.version}
    while True:
        former = session.scalar(
            select(log.former)
            .filter_by(monitor=champion.monitor, action="promoted", version=version)
            .order_by(log.id.desc())
            .limit(1)
        )
        if former is None or former in seen:
            return None
        row = _row(session, champion.monitor, former)
        if row.status is not VersionStatus.REFUSED:
            return row
        version = former
        seen.add(former)


def _version(row: ModelVersionRow) -> ModelVersion:
    return ModelVersion(
        monitor=row.monitor,
        version=row.version,
        bundle=row.bundle,
        status=row.status,
        kind=row.kind,
        created=row.created,
        promoted=row.promoted,
        trained_records=row.trained_records,
        history_start=row.history_start,
        history_end=row.history_end,
        evaluation=None if row.evaluation is None else evaluation_of(row.evaluation),
        reasons=tuple(row.reasons),
        training_digest=row.training_digest,
    )


def evaluation_of(stored: dict[str, Any]) -> Evaluation:
    """An evaluation as the database keeps it, which is JSON."""
    low, high = stored["realised_interval"]
    return Evaluation(**{**stored, "realised_interval": (low, high)})
