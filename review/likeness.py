"""Seen before: the alerts most like one, of any entity, and what people said of them.

Likeness is the cosine of two fingerprints (`latentwatch.domain.fingerprint`): which features alerts were about, and how much each.
"""

import threading
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from latentwatch.alerts.database import Engine
from latentwatch.alerts.reading import alert_detail
from latentwatch.alerts.reading.causes import causes_named
from latentwatch.alerts.reading.kinds import recurrences_of
from latentwatch.alerts.reading.likeness import (
    MOST_KEPT,
    alerts_with_labels,
    fingerprints_after,
    of_the_same_incident,
)
from latentwatch.domain.alert import Alert, Label, Verdict
from latentwatch.domain.errors import NotFound
from latentwatch.domain.fingerprint import ALIKE, vectors
from latentwatch.domain.recurrence import ENOUGH_FALSE, Recurrence

MOST_SHOWN = 5
_MOST_EXCEPTED = 50
"""Alerts like one for which an exception is proposed together with it, the most alike."""
SAME = 0.95
"""Likeness from which the cause of one is suggested for the other."""
_FEWEST_TRIED, _LEAST_RIGHT = 5, 0.6
"""Alerts with causes that had one nearly the same, and the share of them whose causes were the same: with as many tried and fewer right
the looks of a monitor's alerts do not tell their causes."""


@dataclass(frozen=True, slots=True)
class Similar:
    """An alert that is like another one."""

    alert: Alert
    likeness: float
    """0 to 1."""
    label: Label | None
    """What people said of it last."""

    @property
    def in_words(self) -> str:
        """How much alike they are."""
        return "nearly the same" if self.likeness >= SAME else "much alike" if self.likeness >= 0.9 else "alike"

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return (self.alert.ended - self.alert.started).total_seconds()


@dataclass(frozen=True, slots=True)
class SeenBefore:
    """What was like an alert."""

    alert: int
    similar: tuple[Similar, ...]
    """Most alike first, at most MOST_SHOWN; none of its own incident."""
    cause: str
    """What people said that those nearly the same were, where they agree; else empty."""
    in_words: str


@dataclass
class _Kept:
    """The fingerprints of one monitor."""

    by_alert: dict[int, bytes] = field(default_factory=dict)
    numbers: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    directions: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def renew(self, found: dict[int, bytes]) -> None:
        """Take in what is new or has changed."""
        changed = {alert: one for alert, one in found.items() if one and self.by_alert.get(alert) != one}
        if not changed:
            return
        self.by_alert = dict(sorted({**self.by_alert, **changed}.items())[-MOST_KEPT:])
        self.numbers = np.fromiter(self.by_alert, np.int64, len(self.by_alert))
        self.directions = vectors(list(self.by_alert.values()))


class Likenesses:
    """Fingerprints of the monitors that were asked about, kept between questions; safe to share between threads."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    def tells_causes(self, engine: Engine, monitor: str) -> bool:
        """Whether the looks of alerts tell their causes, of those that `nearest` has compared. Raises Unavailable."""
        named = causes_named(engine, monitor)
        with self._lock:
            kept = self._kept.get(monitor, _Kept())
            rows = {int(alert): row for row, alert in enumerate(kept.numbers.tolist())}
            named = [one for one in named if one.alert in rows]
            directions = kept.directions[[rows[one.alert] for one in named]]
        return looks_tell(directions, [one.cause for one in named], [one.incident for one in named])

    def nearest(
        self, engine: Engine, monitor: str, alert: int, leave_out: Collection[int], most: int
    ) -> list[tuple[int, float]]:
        """The alerts most like one, each with its likeness, most alike first. Raises Unavailable."""
        with self._lock:
            kept = self._kept.setdefault(monitor, _Kept())
            kept.renew(fingerprints_after(engine, monitor, max(kept.by_alert, default=0)))
            numbers, directions = kept.numbers, kept.directions
        at = np.flatnonzero(numbers == alert)
        if not len(at):
            return []
        best = most_alike(directions, directions[at[0]], most + len(leave_out))
        told = [(int(numbers[row]), min(1.0, likeness)) for row, likeness in best if likeness >= ALIKE]
        return [one for one in told if one[0] not in leave_out][:most]


def looks_tell(directions: NDArray[np.float32], causes: Sequence[str], incidents: Sequence[int | None]) -> bool:
    """Whether alerts that look nearly the same had the same cause, by [N, F] fingerprints of those whose cause is known: each is
    compared with those of other incidents. True too where too few can be compared."""
    if len(causes) < _FEWEST_TRIED:
        return True
    named, apart = np.array(causes), np.array([-1 - at if one is None else one for at, one in enumerate(incidents)])
    likeness = directions @ directions.T
    likeness[apart[:, None] == apart[None]] = -1
    nearest = likeness.argmax(axis=1)
    tried = likeness[np.arange(len(nearest)), nearest] >= SAME
    right = named[nearest] == named
    return int(tried.sum()) < _FEWEST_TRIED or float(right[tried].mean()) >= _LEAST_RIGHT


def most_alike(directions: NDArray[np.float32], asked: NDArray[np.float32], most: int) -> list[tuple[int, float]]:
    """Of [N, F] fingerprints those most like one [F], at most so many: row and likeness, most alike first."""
    likeness = directions @ asked
    most = min(most, len(likeness))
    chosen = np.argpartition(-likeness, most - 1)[:most] if most else np.zeros(0, np.intp)
    ordered = chosen[np.lexsort((chosen, -likeness[chosen]))]
    return [(int(row), float(likeness[row])) for row in ordered]


def seen_before(engine: Engine, likenesses: Likenesses, alert: int) -> SeenBefore:
    """What was like an alert, of any entity of its monitor. Raises NotFound, Unavailable."""
    detail = alert_detail(engine, alert)
    if detail is None:
        raise NotFound(f"there is no alert {alert}; the inbox shows those there are")
    leave_out = of_the_same_incident(engine, alert)
    found = likenesses.nearest(engine, detail.alert.monitor, alert, leave_out, MOST_SHOWN)
    told = alerts_with_labels(engine, [number for number, _ in found])
    similar = tuple(Similar(told[number][0], likeness, told[number][1]) for number, likeness in found if number in told)
    kind = recurrences_of(engine, [alert], detail.alert.ended).get(alert)
    cause, words = _said(similar, kind)
    if cause and not likenesses.tells_causes(engine, detail.alert.monitor):
        cause, words = "", f"{words} No cause is suggested: alerts that looked the same often had different ones here."
    return SeenBefore(alert, similar, cause, words)


def false_alike(engine: Engine, likenesses: Likenesses, alert: Alert) -> list[int]:
    """The alerts most like one that people called false. Raises Unavailable."""
    leave_out = of_the_same_incident(engine, alert.id)
    found = likenesses.nearest(engine, alert.monitor, alert.id, leave_out, _MOST_EXCEPTED)
    told = alerts_with_labels(engine, [number for number, _ in found])
    return [number for number, (one, _) in told.items() if one.verdict is Verdict.FALSE]


def _said(similar: Sequence[Similar], kind: Recurrence | None) -> tuple[str, str]:
    """The cause that is suggested, and a sentence. Counts are those of the list of alerts: of its whole kind, and not of the
    few that are shown, which stand for it only where the kind is older than what the list compares."""
    if not similar:
        return "", "Nothing like it so far."
    labels = [each.label for each in similar if each.label is not None]
    alike, judged = len(similar), len(labels)
    false = sum(label.verdict is Verdict.FALSE for label in labels)
    if kind is not None and kind.alike >= alike:
        alike, judged, false = kind.alike, kind.judged, kind.false
    if false >= ENOUGH_FALSE and false == judged:
        return "", f"All {false:,} like it that people judged were false alarms: an exception?"
    causes = Counter(
        each.label.cause
        for each in similar
        if each.likeness >= SAME and each.label and each.label.verdict is Verdict.TRUE and each.label.cause
    )
    for cause, times in causes.most_common(1):
        if 2 * times > sum(causes.values()):
            of = f"{len(similar)} like it" if alike == len(similar) else f"the {len(similar)} most like it"
            return cause, f"{times} of {of} {'was' if times == 1 else 'were'} {cause}."
    like = f"{alike:,} alert{'' if alike == 1 else 's'} like it"
    return "", f"{like}, of which people judged {f'{judged:,}' if judged else 'none'}."
