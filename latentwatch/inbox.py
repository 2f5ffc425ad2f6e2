"""What the terminal can do with alerts: list, label, acknowledge, answer."""

from collections.abc import Sequence
from enum import StrEnum
from typing import TypeVar

from latentwatch.alerts.bulk_review import BulkAction, act_on_many
from latentwatch.alerts.database import Engine
from latentwatch.alerts.reading.inbox import AlertFilter, inbox
from latentwatch.alerts.reviewing import acknowledge, label
from latentwatch.alerts.steps import answer
from latentwatch.domain.alert import Alert, AlertStatus, Verdict
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.steps import StepAnswer
from latentwatch.settings import load_settings
from latentwatch.wiring import ASKING_SECONDS, ready_database

Word = TypeVar("Word", bound=StrEnum)


def recent_alerts(monitor: str | None, status: str | None, limit: int) -> tuple[Alert, ...]:
    """Alerts, newest first. Raises InvalidInput for a status that does not exist."""
    statuses = () if status is None else (one_of(AlertStatus, status, "status"),)
    wanted = AlertFilter(monitor=monitor, statuses=statuses)
    return inbox(asked_database(), wanted, limit=limit).alerts


def label_alerts(alerts: Sequence[int], verdict: str, author: str, cause: str, note: str) -> None:
    """Label alerts, all or none. Raises InvalidInput for a verdict or an alert that does not exist."""
    word, engine, author = one_of(Verdict, verdict, "verdict"), asked_database(), author or "command line"
    if len(alerts) == 1:
        label(engine, alerts[0], word, author, cause, note)
    else:
        act_on_many(engine, alerts, BulkAction(word.value), author, cause, note)


def acknowledge_alert(alert: int, author: str) -> None:
    """Acknowledge an alert. Raises InvalidInput where it does not exist."""
    acknowledge(asked_database(), alert, author or "command line")


def answer_alert(alert: int, said: str, author: str, note: str) -> str:
    """Answer whether a lasting change is the new normal, and say what that means. Raises InvalidInput where nothing is asked."""
    given = answer(asked_database(), alert, StepAnswer(said), author or "command line", note)
    if given is StepAnswer.ACCEPT:
        return f"alert {alert}: accepted; this is normal from now on, and the next model learns it"
    return f"alert {alert}: goes on alarming for as long as it lasts, and is not learned"


def asked_database() -> Engine:
    """The database of the settings, prepared, for a person who waits for the answer."""
    return ready_database(load_settings(), patience_seconds=ASKING_SECONDS)


def one_of(words: type[Word], given: str, what: str) -> Word:
    """The word that was given. Raises InvalidInput with those there are."""
    try:
        return words(given)
    except ValueError:
        known = ", ".join(word.value for word in words)
        raise InvalidInput(f"{given!r} is not a {what}; choose one of {known}") from None
