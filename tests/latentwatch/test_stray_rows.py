"""Rows that are no records, and tables whose columns are not told apart: named before a monitor is guessed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from latentwatch.domain.errors import InvalidHistory
from latentwatch.guessing import Guess, guess_monitor
from latentwatch.history import read_history

_HEADER = "time,flow,mode\n"
_ROWS = [f"2026-03-{1 + at // 24:02}T{at % 24:02}:00:00Z,{at % 9 / 10},{'ab'[at % 2]}\n" for at in range(300)]


@pytest.fixture
def table(tmp_path: Path) -> Callable[[str], str]:
    """A CSV file of this content."""

    def of(content: str) -> str:
        path = tmp_path / "table.csv"
        path.write_text(content)
        return str(path)

    return of


def _without_name(guess: Guess) -> list[str]:
    return [note for note in guess.notes if not note.startswith("looked at")]


def test_comments_and_restarts_cost_themselves_alone(table: Callable[[str], str]):
    """A few lines of another width leave the guess what it is without them, and are said; training leaves them out as well."""
    clean = guess_monitor(table(_HEADER + "".join(_ROWS)))
    path = table(
        _HEADER + "".join(_ROWS[:120]) + "# set again\n" + "".join(_ROWS[120:]) + "host,-1,RESTART,(4 CPU),x\n"
    )
    guess = guess_monitor(path)
    assert guess.monitor == clean.monitor
    said = "no records: 2 of the rows, as comments and restarts are (row 121: 1 columns where the header has 3: '# set again')"
    assert next(note for note in _without_name(guess) if note not in clean.notes).startswith(said)
    assert len(_without_name(guess)) == len(_without_name(clean)) + 1
    assert len(read_history(guess.monitor.record, [path])) == 300


def test_many_rows_of_another_width_are_refused(table: Callable[[str], str]):
    """More than one in twenty is no accident."""
    with pytest.raises(
        InvalidHistory, match=r"row 1: 2 columns where the header has 3: .*\(and 19 more rows\); correct"
    ):
        guess_monitor(table(_HEADER + "a,b\n" * 20 + "".join(_ROWS)))


@pytest.mark.parametrize("title", ["Report: Plant A\nExported: 2026-11-01\n\n", "Report, of plant A\n"])
def test_a_title_above_the_header_is_named_with_the_header(title: str, table: Callable[[str], str]):
    """With or without the delimiter in it, and whatever stands between both."""
    with pytest.raises(
        InvalidHistory, match=r"the first line, .*Report.*the first of which is 'time,flow,mode'; begin"
    ):
        guess_monitor(table(title + _HEADER + "".join(_ROWS)))


def test_a_line_of_units_is_told_in_one_sentence(table: Callable[[str], str]):
    """The columns are guessed by what stands below it."""
    clean = guess_monitor(table(_HEADER + "".join(_ROWS)))
    guess = guess_monitor(table(_HEADER + "[UTC],m³/h,\n" + "".join(_ROWS)))
    assert guess.monitor == clean.monitor
    more = [note for note in _without_name(guess) if note not in clean.notes]
    assert len(more) == 1
    assert "row 1 holds words above numbers, as a line of units does ('[UTC]', 'm³/h')" in more[0]


def test_a_first_record_with_a_bad_cell_is_no_line_of_units(table: Callable[[str], str]):
    """It has a time, or another number."""
    for first in ("2026-02-28T23:00:00Z,error,a\n", "x,0.3,a\n"):
        guess = guess_monitor(table(_HEADER + first + "".join(_ROWS)))
        assert not any("units" in note for note in guess.notes)


def test_columns_that_blanks_part_are_refused(table: Callable[[str], str]):
    """Also where a title stands above, the header comes again, and numbers are set flush."""
    page = "procs ---memory--- --cpu--\n r  b   free  us id\n" + "".join(
        f" {at % 3}  0 {9000 + at:6}  {at:2} 88\n" for at in range(30)
    )
    with pytest.raises(InvalidHistory, match="parted by ' '; part them by comma, below one line of column names"):
        guess_monitor(table(page * 10))


def test_a_monitor_of_words_alone_says_so(table: Callable[[str], str]):
    """Beside a column that never changes too."""
    words = [f"pump {at * 7919 % 1009} says that valve {at % 13} is at step {at}" for at in range(300)]
    for table_of in (
        "message\n" + "".join(f"{each}\n" for each in words),
        "message,site\n" + "".join(f"{each},north\n" for each in words),
    ):
        assert any(
            "warning: of what changes all is text (message)" in note for note in guess_monitor(table(table_of)).notes
        )
    assert not any("warning" in note for note in guess_monitor(table(_HEADER + "".join(_ROWS))).notes)
