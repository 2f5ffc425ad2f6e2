"""Columns of a table as they are looked at before anything is learned, and which of them are no measurements.

A column of times, an identifier or a number that counts the rows says something new in every row: whatever is learned of
it, the next value lies beyond. A first monitor's guess and the estimator ask the same questions here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from latentwatch.domain.field_settings import Written
from latentwatch.domain.times import NO_TIME, parse_times

MOST_CATEGORIES = 50
"""Different values up to which words are a category, however few the rows."""
TIME_NAMES = re.compile(
    r"(^|[^a-z])(time|timestamp|datetime|date|ts|event_?time|utc|epoch)([^a-z]|$)|time(stamp)?$", re.IGNORECASE
)
_EPOCH_UNITS = (1, 1e3, 1e6, 1e9)
"""How many of it a second has: seconds, milliseconds, microseconds, nanoseconds."""
MOSTLY_TIMES = 0.95
"""From this share of values that read as times on, a column is the time, and the others are mistakes in the sample."""
_INDEX_NAMES = re.compile(r"^(|index|idx|row|row_?(id|number|num)|unnamed.*|column0|id)$", re.IGNORECASE)
_DATE = re.compile(
    r"\s*(\d{1,4}[./ -]\d{1,2}[./ -]\d{2,4}|\d{1,2}[ .-]*[a-z]{3,9}[ .,-]*\d{2,4}|[a-z]{3,9} \d{1,2},? \d{4})\b.*",
    re.IGNORECASE,
)
_LIKE_TIME = re.compile(
    r"\s*\[?([a-z_]{1,13}[#,.]?\s*)?"
    r"\d{1,4}[-/.~_ ]{1,2}(\d{1,2}|[a-z]{3,9}\.?)[-/.~_ ]{1,2}\d{1,4}"
    r"([-_:,~/\s]{1,3}|T)\d{1,2}[:.h~-]\d{2}([:.m~-]\d{2}([.,:]\d+)?s?)?"
    r"\s*([a-z]{1,4}|[+-]\d{1,2}(:?\d{2})?)?\]?\s*",
    re.IGNORECASE,
)
"""A day and a time of day, by their digits and what stands between them; perhaps a word before and a zone behind."""
_WITHOUT_YEAR = re.compile(r"\s*[A-Z][a-z]{2} [ 0-3]?\d \d{2}:\d{2}:\d{2}(\.\d+)?\s*")
"""As system logs have it."""
_OF_SEVERAL = 0.02
"""The share of different times from which on they are no codes, where many records share each."""
_NESTED = re.compile(r"\{.*\}|\[.*\]", re.DOTALL)
_FEWEST_TO_COUNT = 200
"""Rows from which on numbers that rise by 1 are no chance, whatever their name."""


@dataclass(frozen=True, slots=True)
class Column:
    """A sampled column: its text, and its numbers where every cell present is one, or nearly every one."""

    name: str
    texts: "pd.Series[Any]"
    numbers: "pd.Series[Any] | None"
    typed_time: bool
    strays: "pd.Series[Any]"
    """The words among the numbers, by row; empty where `numbers` is None."""
    inside: bool = False
    """Whether it is a part of an object, its name the path to it."""
    written: Written | None = None
    """How its numbers are written, where not as programs write them."""
    unit: str = ""
    """What stands beside each of its numbers."""
    units: Mapping[str, float] = field(default_factory=dict)
    """What may stand there as well, and how many of `unit` each is."""
    others: tuple[Written, ...] = ()
    """How its numbers may be written as well: nothing proves `written`, or that there is nothing to say."""
    packed: bool = False
    """Whether its text is JSON objects, whose parts are no fields then."""

    @property
    def own_name(self) -> str:
        """What it is called where it stands."""
        return self.name.rpartition(".")[2] if self.inside else self.name

    @property
    def distinct(self) -> int:
        """How many different values it has."""
        return int(self.texts.nunique())

    @property
    def nested(self) -> bool:
        """Whether every value is an object or a list, which would otherwise be taken for words."""
        return bool(self.texts.dropna().astype(str).str.fullmatch(_NESTED).all())


_CODE_NAMES = re.compile(
    r"^(id|.+[ _.-](id|uuid|code)|(card|account|acct|customer|client|member|merchant|device|iban|sku|ean|zip|postal|phone)"
    r"([ _.-]?(id|no|nr|num|number|code|key))?)$",
    re.IGNORECASE,
)

_DISORDER = 0.01
"""How far a time may stand behind the latest before it, as a share of the stretch that a sample spans."""


def is_epoch(column: Column) -> bool:
    """Whether numbers are seconds, milliseconds, micro- or nanoseconds of a time.

    By a name that says so any time from 1990 to 2100 will do; by another name, whole numbers of as many digits as today's
    have that only grow, but for a few that came late, or that nearly do, as those of many senders in one stream.
    """
    numbers = column.numbers
    assert numbers is not None  # the caller has looked
    middle = float(numbers.abs().median())
    if TIME_NAMES.search(column.name):
        return any(6.3e8 * scale <= middle <= 4.1e9 * scale for scale in _EPOCH_UNITS)
    steps = numbers.diff().dropna()
    behind = numbers.cummax() - numbers
    apart = _DISORDER * float(numbers.max() - numbers.min())
    ordered = float((steps >= 0).mean()) >= MOSTLY_TIMES or float((behind <= apart).mean()) >= MOSTLY_TIMES
    grows = len(steps) > 1 and ordered and middle > 0
    recent = any(1e9 * scale <= middle < 1e10 * scale for scale in _EPOCH_UNITS)
    return grows and recent and bool((numbers.dropna() % 1 == 0).all())


def holds_times(column: Column) -> bool:
    """Whether its text, or the file's type, says times."""
    return (
        column.typed_time
        or bool((parse_times(column.texts.tolist()) != NO_TIME).mean() >= MOSTLY_TIMES)
        or are_dates(column.texts)
    )


def are_dates(texts: "pd.Series[Any]") -> bool:
    """Whether every value looks like a day, perhaps with its time, whether it can be read or not."""
    given = texts.dropna().astype(str)
    return bool(len(given)) and bool(given.str.fullmatch(_DATE).all())


def is_like_times(column: Column) -> bool:
    """Whether its text has the digits and separators of times and is nearly all different, whether it can be read or not."""
    given = column.texts.dropna().astype(str)
    if column.numbers is not None or len(given) < 2 or given.nunique() < max(2, _OF_SEVERAL * len(given)):
        return False
    if given.str.fullmatch(_WITHOUT_YEAR).mean() >= MOSTLY_TIMES:
        return True
    return given.nunique() >= MOSTLY_TIMES * len(given) and bool(given.str.fullmatch(_LIKE_TIME).mean() >= MOSTLY_TIMES)


def counts_rows(column: Column) -> bool:
    """Whether its numbers rise by 1 from each row to the next, by a name that says so or for long enough."""
    if column.numbers is None:
        return False
    rows = len(column.numbers)
    steps = column.numbers.diff().dropna()
    named = _INDEX_NAMES.match(column.own_name) or rows >= _FEWEST_TO_COUNT
    return bool(named) and len(steps) == rows - 1 > 1 and bool((steps == 1).all())


def is_identifier(column: Column, share: float = 1.0) -> bool:
    """Whether each of many rows has a word of its own, or at least that share of them."""
    rows = len(column.texts)
    return (
        column.numbers is None
        and column.distinct >= share * rows
        and rows > MOST_CATEGORIES
        and not column.nested
        and mean_words(column) < 2
    )


def is_code(column: Column) -> bool:
    """Whether its whole numbers are named as what they stand for: an account, not an amount."""
    numbers = column.numbers
    if numbers is None or column.distinct < 2 or len(column.strays) or not _CODE_NAMES.match(column.own_name):
        return False
    given = numbers.dropna()
    return bool(((given >= 0) & (given % 1 == 0)).all())


def mean_words(column: Column) -> float:
    """Words a value, of the first 200 that are there."""
    return float(np.mean([len(str(text).split()) for text in column.texts.dropna().head(200)]))
