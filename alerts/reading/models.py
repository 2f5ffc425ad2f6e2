"""Model versions' history and how their scores are spread on the stream."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, func, select

from latentwatch.alerts.session import reading
from latentwatch.alerts.tables import MinuteCountRow, PromotionRow

MOST_PROMOTIONS = 100
MOST_VERSIONS = 200


@dataclass(frozen=True, slots=True)
class Promotion:
    """A change of what serves, or a decision that nothing changes."""

    action: str
    version: int
    champion: int | None
    """The version that served from then on."""
    former: int | None
    reasons: tuple[str, ...]
    created: datetime


def promotions(engine: Engine, monitor: str, limit: int = 50) -> tuple[Promotion, ...]:
    """What was decided about a monitor's models, latest first."""
    query = (
        select(PromotionRow)
        .where(PromotionRow.monitor == monitor)
        .order_by(PromotionRow.id.desc())
        .limit(max(1, min(limit, MOST_PROMOTIONS)))
    )
    with reading(engine) as session:
        return tuple(
            Promotion(row.action, row.version, row.champion, row.former, tuple(row.reasons), row.created)
            for row in session.scalars(query)
        )


def surprise_counts(engine: Engine, monitor: str) -> dict[int, tuple[int, tuple[int, int, int, int]]]:
    """By model version: records scored on the stream, and how many had a surprise of at least 1, 2, 3 and 4."""
    query = (
        select(
            MinuteCountRow.model_version,
            func.sum(MinuteCountRow.scored),
            func.sum(MinuteCountRow.exceeding_1),
            func.sum(MinuteCountRow.exceeding_2),
            func.sum(MinuteCountRow.exceeding_3),
            func.sum(MinuteCountRow.exceeding_4),
        )
        .where(MinuteCountRow.monitor == monitor)
        .group_by(MinuteCountRow.model_version)
        .order_by(MinuteCountRow.model_version.desc())
        .limit(MOST_VERSIONS)
    )
    with reading(engine) as session:
        return {
            version: (int(scored), (int(one), int(two), int(three), int(four)))
            for version, scored, one, two, three, four in session.execute(query)
        }
