"""What the terminal can do with alerts: list, label, answer."""

from collections.abc import Sequence
from enum import StrEnum
from typing import TypeVar, get_args

from latentwatch.alerts.bulk_review import BulkAction, Said, act_on_many
from latentwatch.alerts.database import Engine
from latentwatch.alerts.monitors import registered_monitor
from latentwatch.alerts.reading.inbox import AlertFilter, Order, inbox
from latentwatch.alerts.reading.kinds import recurrences_of
from latentwatch.alerts.reading.precision import Precision, precision
from latentwatch.alerts.reviewing import label
from latentwatch.alerts.steps import answer
from latentwatch.domain.alert import Alert, AlertStatus, Verdict
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.steps import StepAnswer
from latentwatch.settings import load_settings
from latentwatch.wiring import ASKING_SECONDS, ready_database

Word = TypeVar("Word", bound=StrEnum)


def listed_alerts(monitor: str | None, status: str | None, limit: int, order: str = "recent") -> tuple[Alert, ...]:
    """Alerts, newest first or in another order. Raises InvalidInput for a status, or an order, that does not exist."""
    known = {name: name for name in get_args(Order)}
    if order not in known:
        raise InvalidInput(f"{order!r} is not an order; choose one of {', '.join(known)}")
    statuses = () if status is None else (one_of(AlertStatus, status, "status"),)
    wanted = AlertFilter(monitor=monitor, statuses=statuses)
    return inbox(asked_database(), wanted, known[order], limit=limit).alerts


def kinds_in_words(alerts: Sequence[Alert]) -> dict[int, str]:
    """By alert, what is known of its kind; alerts without a fingerprint are left out."""
    known = recurrences_of(asked_database(), [alert.id for alert in alerts], SystemClock().now())
    return {number: told.in_words for number, told in known.items()}


def precision_of(monitor: str | None, weeks: int) -> Precision:
    """How many of the judged alerts were real. Raises NotFound for a monitor that is none."""
    from latentwatch.excepting import name_of_monitor  # it loads what scores, which the other commands need not

    engine = asked_database()
    name = None if monitor is None else registered_monitor(engine, name_of_monitor(monitor)).name
    return precision(engine, SystemClock().now(), name, weeks)


def label_alerts(alerts: Sequence[int], verdict: str, author: str, cause: str, note: str) -> None:
    """Label alerts, all or none. Raises InvalidInput for a verdict or an alert that does not exist."""
    word, engine, author = one_of(Verdict, verdict, "verdict"), asked_database(), author or "command line"
    if len(alerts) == 1:
        label(engine, alerts[0], word, author, cause, note)
    else:
        act_on_many(engine, alerts, BulkAction(word.value), Said(author, cause, note))


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
