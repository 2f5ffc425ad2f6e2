"""Numbers, times and states as people read them."""

from datetime import UTC, datetime

from markupsafe import Markup

from latentwatch.domain.durations import spell_duration
from latentwatch.domain.percent import percent as in_percent
from latentwatch.domain.record import Value

NOTHING = "–"


def count(value: int) -> str:
    """A whole number with thousands apart.

    >>> count(1234567)
    '1,234,567'
    """
    return f"{value:,}"


def number(value: Value) -> str:
    """A feature's value: four significant digits, no exponent where a person would not write one.

    >>> number(0.000123456), number(1234.567), number(12.0), number(None), number(True), number("off")
    ('0.0001235', '1,235', '12', '–', 'true', 'off')
    """
    if value is None or value != value:
        return NOTHING
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    size = abs(value)
    if size == 0:
        return "0"
    if size >= 1e9 or size < 1e-5:
        return f"{value:.3g}"
    digits = max(0, 3 - len(str(int(size)))) + 1 if size >= 1 else 3 - _exponent(size)
    text = f"{value:,.{digits if size < 1000 else 0}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _exponent(size: float) -> int:
    return int(f"{size:e}".partition("e")[2])


def roughly(value: float) -> str:
    """A quantity to two significant digits, for what is an estimate anyway.

    >>> roughly(47.368), roughly(0.1234), roughly(2.0), roughly(5311.9)
    ('47', '0.12', '2', '5,300')
    """
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 10 or rounded == int(rounded) else f"{rounded:g}"


def rate(per_second: float | None) -> str:
    """Records per second, or per minute or hour where that is easier to read.

    >>> rate(1250.0), rate(0.5), rate(0.0001), rate(0), rate(None)
    ('1,250/s', '30/min', '0.4/h', '0/s', '–')
    """
    if per_second is None:
        return NOTHING
    for factor, unit in ((1, "s"), (60, "min"), (3600, "h")):
        if per_second * factor >= 1 or unit == "h":
            value = per_second * factor
            text = f"{value:,.0f}" if value >= 10 else f"{value:.1f}".rstrip("0").rstrip(".")
            return f"{text}/{unit if per_second else 's'}"
    return NOTHING


def percent(share: float | None) -> str:
    """A share as a percentage.

    >>> percent(0.00123), percent(None)
    ('0.12 %', '–')
    """
    return NOTHING if share is None else in_percent(share)


def unbroken(sentence: str) -> str:
    """A sentence whose percentages stay on one line.

    >>> unbroken("2.1 % flagged") == "2.1\\u00a0% flagged"
    True
    """
    return sentence.replace(" %", "\u00a0%")


def surprise(value: float) -> str:
    """A surprise with one decimal.

    >>> surprise(4.25)
    '4.2'
    """
    return f"{value:.1f}"


def odds(value: float) -> str:
    """What a surprise means: how rare such a record is among normal ones.

    >>> odds(3.0), odds(0.1), odds(14.2)
    ('1 in 1,000', '1 in 1.3', 'rarer than 1 in a billion')
    """
    if value > 9:
        return "rarer than 1 in a billion"
    once = 10 ** max(0.0, value)
    if once < 10:
        return f"1 in {once:.1f}"
    size = 10 ** (len(str(int(once))) - 2)
    return f"1 in {round(once / size) * size:,.0f}"


def duration(seconds: float | None) -> str:
    """A length of time in its two largest units.

    >>> duration(75), duration(None)
    ('1 min 15 s', '–')
    """
    return NOTHING if seconds is None else spell_duration(seconds)


def ago(moment: datetime | None, now: datetime) -> str:
    """How long before now.

    >>> ago(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 2, tzinfo=UTC))
    '2 min ago'
    """
    if moment is None:
        return "never"
    seconds = (now - moment).total_seconds()
    if seconds < -5:
        return f"{duration(-seconds)} ahead"
    if seconds < 5:
        return "now"
    return f"{duration(seconds).split(' ')[0]} {duration(seconds).split(' ')[1]} ago"


def clock_time(moment: datetime | None, style: str = "full") -> Markup:
    """A time element: the browser shows its viewer's zone, the tooltip keeps UTC.

    `style` is `full` (date and time), `time` (time alone) or `day`.
    """
    if moment is None:
        return Markup(NOTHING)
    utc = moment.astimezone(UTC)
    text = utc.strftime({"full": "%d %b %H:%M:%S", "time": "%H:%M:%S", "day": "%d %b %Y"}[style])
    return Markup('<time datetime="{}" data-style="{}" title="{} UTC">{}</time>').format(
        utc.isoformat(), style, utc.strftime("%Y-%m-%d %H:%M:%S"), text
    )


def entity_name(entity: str) -> str:
    """An entity's name; records without one belong to the whole stream."""
    return entity or "whole stream"
