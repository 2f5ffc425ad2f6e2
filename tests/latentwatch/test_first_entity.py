"""Whose records a sample's are is guessed from what a column says, and asked where that does not suffice."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from latentwatch.guessing import Guess, guess_monitor

_ROUNDS = 300
_DEVICES = ("yard/a", "yard/b", "yard/c")
_START = pd.Timestamp("2026-01-01", tz="UTC")


def _guess(tmp_path: Path, rows: Sequence[dict[str, object]]) -> Guess:
    path = tmp_path / "sample.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return guess_monitor(str(path))


def _in_turn(levels: Sequence[float], *, regular: bool) -> list[dict[str, object]]:
    """Three devices share a stream, each with times of its own; a day's course is common to all. Where not `regular`, who comes
    next is chance."""
    random = np.random.default_rng(0)
    rows: list[dict[str, object]] = []
    for turn in range(_ROUNDS):
        for place in range(3):
            device = place if regular else int(random.integers(3))
            at = _START + pd.Timedelta(seconds=600 * turn + 200 * place + float(random.uniform(0, 20)))
            load = levels[device] + 10 * np.sin(turn / 144 * 2 * np.pi) + random.normal()
            rows.append({"at": at.isoformat(), "topic": _DEVICES[device], "load": round(load, 3)})
    return rows


def _said(guess: Guess) -> str:
    return next(note for note in guess.notes if note.startswith("entity:"))


def test_devices_that_take_turns_with_levels_of_their_own_are_entities(tmp_path: Path) -> None:
    """Each has its own times, and the common course of a day is larger than what tells them apart."""
    guess = _guess(tmp_path, _in_turn((0.0, 5.0, 10.0), regular=True))
    assert guess.monitor.record.entity == "topic"
    assert "whose 3 values take turns" in _said(guess)


@pytest.mark.parametrize(("levels", "regular"), [((0.0, 0.0, 0.0), True), ((0.0, 50.0, 100.0), False)])
def test_what_may_be_devices_is_asked(levels: tuple[float, ...], regular: bool, tmp_path: Path) -> None:
    """A steady pace alone, or levels alone, proves nothing."""
    guess = _guess(tmp_path, _in_turn(levels, regular=regular))
    assert guess.monitor.record.entity is None
    assert "'topic' has 3 values; if each is a device of its own: --entity topic" in _said(guess)


def test_words_that_come_by_chance_are_not_asked_about(tmp_path: Path) -> None:
    """Neither a pace nor a level of its own: a category like any other."""
    assert _said(_guess(tmp_path, _in_turn((0.0, 0.0, 0.0), regular=False))) == (
        "entity: none found; all records belong to one"
    )


def _sensors(words: dict[str, Sequence[str]]) -> list[dict[str, object]]:
    """Two sensors at the same hours, and words beside each."""
    random = np.random.default_rng(0)
    return [
        {
            **{name: values[of] for name, values in words.items()},
            "start": (_START + pd.Timedelta(hours=hour)).isoformat(),
            "mean": round(of * 20 + random.normal(), 3),
        }
        for hour in range(_ROUNDS)
        for of in range(2)
    ]


@pytest.mark.parametrize("name", ["unit", "quality", "status", "type", "state"])
def test_what_describes_a_record_is_no_entity(name: str, tmp_path: Path) -> None:
    """The identifier beside it is."""
    rows = _sensors({name: ("°C", "W"), "statistic_id": ("sensor.room", "sensor.fridge")})
    assert _guess(tmp_path, rows).monitor.record.entity == "statistic_id"


def test_units_that_are_numbered_are_machines(tmp_path: Path) -> None:
    """Of a unit of measurement not every word has a digit."""
    assert _guess(tmp_path, _sensors({"unit": ("unit 1", "unit 2")})).monitor.record.entity == "unit"


@pytest.mark.parametrize("name", ["Quality", "State", "Unit"])
def test_what_describes_a_value_in_long_form_is_no_entity(name: str, tmp_path: Path) -> None:
    """Some values of a tag are uncertain, which makes them no other machine's."""
    random = np.random.default_rng(0)
    rows: list[dict[str, object]] = [
        {
            "TagName": tag,
            "Timestamp": (_START + pd.Timedelta(minutes=5 * tick)).isoformat(),
            "Value": round(level + random.normal(), 3),
            name: "bad" if random.random() < 0.05 else "good",
        }
        for tick in range(_ROUNDS)
        for tag, level in (("speed", 1450.0), ("current", 48.0))
    ]
    record = _guess(tmp_path, rows).monitor.record
    assert record.long is not None
    assert record.entity is None
