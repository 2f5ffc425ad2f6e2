"""Whether alerts of a kind were there before, and the order in which those of one kind stand together.

Alerts are of one kind where they are of one monitor and their fingerprints alike. Those of one incident are one event: none of
them came before another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.alert import Verdict
from latentwatch.domain.fingerprint import ALIKE, vectors

ENOUGH_FALSE = 3
"""Alerts alike that people judged, all false, from which on an exception is worth asking for."""
_NEW_FOR = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class FingerprintedAlert:
    """What is compared of an alert."""

    alert: int
    monitor: str
    incident: int
    started: datetime
    ended: datetime
    closed: bool
    verdict: Verdict | None
    peak_surprise: float
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Recurrence:
    """What is known of an alert's kind from the other incidents of its monitor."""

    alike: int
    """Alerts like it."""
    earlier: int
    """Of those, how many began before it."""
    judged: int
    """Of those alike, how many people labelled."""
    false: int
    """Of those labelled, how many are false alarms."""
    new_kind: bool
    """It began within the last week, and nothing like it before that."""
    came_back: bool
    """One like it was over before it began, and is closed."""

    @property
    def asks_exception(self) -> bool:
        """Whether so many like it were judged, and all of them false, that an exception may be what is missing."""
        return self.false >= ENOUGH_FALSE and self.false == self.judged

    @property
    def in_words(self) -> str:
        """What an operator should know first; empty where that is nothing.

        >>> Recurrence(9, 9, 9, 9, new_kind=False, came_back=True).in_words
        '9 alike, all false: an exception?'
        >>> Recurrence(2, 2, 0, 0, new_kind=True, came_back=True).in_words
        'new kind this week, came back'
        """
        if self.asks_exception:
            counted = (
                f"{self.alike:,} alike"
                if self.judged == self.alike
                else f"{self.judged:,} of {self.alike:,} alike judged"
            )
            return f"{counted}, all false: an exception?"
        said = (("new kind this week", self.new_kind), ("came back", self.came_back))
        return ", ".join(words for words, true in said if true)


def recurrences(
    asked: Sequence[FingerprintedAlert],
    known: Sequence[FingerprintedAlert],
    known_since: Mapping[str, datetime],
    now: datetime,
) -> dict[int, Recurrence]:
    """By alert, what is known of each one's kind from those that are `known`, which may be among the `asked`.

    `known_since` says from when on the alerts of a monitor are known: where that is less than a week, no kind is called new.
    An alert without a fingerprint is left out.
    """
    asked = [each for each in asked if each.fingerprint]
    if not asked:
        return {}
    week_ago = now - _NEW_FOR
    alike = _likeness(asked, known) >= ALIKE
    alike &= np.array([each.incident for each in asked])[:, None] != np.array(
        [each.incident for each in known], np.int64
    )
    began, mine = _seconds([each.started for each in known]), _seconds([each.started for each in asked])[:, None]
    over = _seconds([each.ended for each in known])
    closed = np.array([each.closed for each in known], bool)
    judged = np.array([each.verdict is not None for each in known], bool)
    false = np.array([each.verdict is Verdict.FALSE for each in known], bool)
    long_known = np.array([known_since.get(each.monitor, now) < week_ago for each in asked])
    lately = mine[:, 0] >= week_ago.timestamp()
    told = zip(
        asked,
        alike.sum(1).tolist(),
        (alike & (began < mine)).sum(1).tolist(),
        (alike & judged).sum(1).tolist(),
        (alike & false).sum(1).tolist(),
        (long_known & lately & ~(alike & (began < week_ago.timestamp())).any(1)).tolist(),
        (alike & closed & (over < mine)).any(1).tolist(),
        strict=True,
    )
    return {each.alert: Recurrence(*rest) for each, *rest in told}


def kinds_together(alerts: Sequence[FingerprintedAlert], unseen: Sequence[bool]) -> list[int]:
    """Places of the alerts, those of one kind after one another; kinds of which one was `unseen` first.

    The first alert that is left takes those like it, most alike first, then the next one that is left, and so on: kinds stand
    in the order of their first alerts, and an alert like nothing else is a kind of its own.
    """
    likeness = _likeness(alerts, alerts)
    left, kinds = np.ones(len(alerts), bool), []
    for first in range(len(alerts)):
        if left[first]:
            left[first] = False
            others = np.flatnonzero(left & (likeness[first] >= ALIKE))
            left[others] = False
            kinds.append([first, *others[np.argsort(-likeness[first, others], kind="stable")].tolist()])
    kinds.sort(key=lambda kind: not any(unseen[place] for place in kind))
    return [place for kind in kinds for place in kind]


def _likeness(some: Sequence[FingerprintedAlert], others: Sequence[FingerprintedAlert]) -> NDArray[np.float32]:
    """[N, M] cosines of fingerprints; 0 between monitors, whose features of one name say nothing of each other."""
    directions = vectors([each.fingerprint for each in (*some, *others)])
    likeness = directions[: len(some)] @ directions[len(some) :].T
    same = np.array([each.monitor for each in some])[:, None] == np.array([each.monitor for each in others])
    return np.asarray(np.where(same, likeness, 0), np.float32)


def _seconds(times: Sequence[datetime]) -> NDArray[np.float64]:
    return np.array([each.timestamp() for each in times], np.float64)
