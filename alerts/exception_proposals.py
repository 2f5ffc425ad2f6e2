"""Proposals of exceptions, kept so that one can be accepted by its id as long as its alerts are as they were."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from sqlalchemy import Engine, delete, select

from latentwatch.alerts.columns import to_json
from latentwatch.alerts.exception_table import ExceptionProposalRow
from latentwatch.alerts.session import reading, transaction
from latentwatch.alerts.tables import AlertRow
from latentwatch.alerts.upserts import insert_or_replace
from latentwatch.domain.alert import Alert
from latentwatch.domain.errors import InvalidInput, NotFound
from latentwatch.domain.exceptions import Form, form_from_json, form_to_json

_KEPT = timedelta(days=30)
"""After so long nobody has a proposal before them any more."""


@dataclass(frozen=True, slots=True)
class StoredProposal:
    """What was proposed, and for which alerts."""

    id: str
    form: Form
    alerts: tuple[int, ...]


def store_proposals(
    engine: Engine, monitor: str, forms: Sequence[Form], alerts: Sequence[Alert], now: datetime
) -> list[str]:
    """Keep what is proposed for some alerts; its ids, the same for the same alerts and forms. Raises Unavailable."""
    numbers = sorted(alert.id for alert in alerts)
    state = _state(alerts)
    rows = [
        {
            "id": _id(monitor, form, numbers, state),
            "monitor": monitor,
            "form": form_to_json(form),
            "alerts": numbers,
            "state": state,
            "created": now,
        }
        for form in forms
    ]
    row = ExceptionProposalRow
    with transaction(engine) as session:
        session.execute(delete(row).where(row.monitor == monitor, row.created < now - _KEPT))
        insert_or_replace(session.connection(), row, rows)
    return [str(each["id"]) for each in rows]


def stored_proposal(engine: Engine, monitor: str, proposal: str) -> StoredProposal:
    """A proposal by its id. Raises NotFound, InvalidInput where its alerts have changed since, Unavailable."""
    with reading(engine) as session:
        row = session.get(ExceptionProposalRow, proposal)
        if row is None or row.monitor != monitor:
            raise NotFound(
                f"monitor {monitor!r} has no proposal {proposal!r}; "
                f"'latentwatch exceptions propose {monitor} --alert ID' makes some"
            )
        found = session.scalars(select(AlertRow).where(AlertRow.id.in_(row.alerts))).all()
        if _state(found) != row.state:
            numbers = " ".join(f"--alert {number}" for number in row.alerts)
            raise InvalidInput(
                f"proposal {proposal}: its alerts have changed since it was made; "
                f"look again with 'latentwatch exceptions propose {monitor} {numbers}'"
            )
        return StoredProposal(row.id, form_from_json(row.form), tuple(row.alerts))


def _state(alerts: Sequence[Alert] | Sequence[AlertRow]) -> str:
    """What changes when an alert grows; a label changes nothing of it."""
    facts = sorted((each.id, each.records, each.started.isoformat(), each.ended.isoformat()) for each in alerts)
    return blake2b(to_json(facts).encode(), digest_size=16).hexdigest()


def _id(monitor: str, form: Form, numbers: Sequence[int], state: str) -> str:
    told = to_json([monitor, form_to_json(form), numbers, state])
    return "p" + blake2b(told.encode(), digest_size=6).hexdigest()
