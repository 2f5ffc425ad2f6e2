"""Numbers as people write them: proven by the data, said in the monitor, and read alike wherever records are read."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from latentwatch.domain.errors import InvalidHistory
from latentwatch.domain.monitor import parse_monitor
from latentwatch.domain.record import Batch, RawMessage
from latentwatch.domain.schema import RecordSchema
from latentwatch.guessing import Guess, guess_monitor
from latentwatch.history import read_history
from latentwatch.streams.decoding.csv_decoding import CsvDecoder
from latentwatch.streams.decoding.json_decoding import JsonDecoder
from latentwatch.streams.ports import Messages, messages_of


def _written(value: float, form: str) -> str:
    """A number as a form has it.

    >>> _written(1234.5, "1.234,5")
    '1.234,50'
    """
    parting, decimal = form[1], form[5]
    return f"{value:,.2f}".translate({ord(","): parting, ord("."): decimal})


_FORMS = ["1,234.5", "1.234,5", "1 234.5", "1 234,5", "1'234.5"]
_VALUES = np.random.default_rng(0).normal(1000, 400, 200).round(2)


def _table(path: Path, texts: list[str], delimiter: str = ",") -> str:
    rows = [f'2026-01-01T{row // 60:02}:{row % 60:02}:00Z{delimiter}"{text}"' for row, text in enumerate(texts)]
    path.write_text(f"time{delimiter}a\n" + "\n".join(rows) + "\n")
    return str(path)


def _messages(values: list[bytes]) -> Messages:
    return messages_of("t", [RawMessage(0, offset, value, 0) for offset, value in enumerate(values)])


def _learned(guess: Guess, path: str) -> Batch:
    """What training reads by the guessed monitor, as the file holds it."""
    return read_history(parse_monitor(guess.yaml("x")).record, [path])


@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("form", _FORMS)
def test_thousands_are_read_as_the_column_proves(form: str, delimiter: str, tmp_path: Path) -> None:
    """A number above a thousand would otherwise be a word, or a row that is left out; the monitor says how to read it."""
    path = _table(tmp_path / "a.csv", [_written(value, form) for value in _VALUES], delimiter)
    guess = guess_monitor(path)
    semicolons = delimiter == ";" and form == "1.234,5"  # needs no word there
    assert guess.monitor.record.written == (None if semicolons else form)
    assert _learned(guess, path).numbers[:, 0] == pytest.approx(_VALUES)


def test_a_decimal_comma_between_commas_is_read(tmp_path: Path) -> None:
    """Two digits behind a comma are no thousands."""
    path = _table(tmp_path / "a.csv", ["1,5", "-2,25"] * 50)
    guess = guess_monitor(path)
    assert guess.monitor.record.written == "1.234,5"
    assert _learned(guess, path).numbers[:2, 0].tolist() == [1.5, -2.25]


def test_a_comma_that_nothing_explains_is_settled_by_another_column(tmp_path: Path) -> None:
    """12,000 alone is twelve thousand or twelve; beside 1,234.56 of the same file it is the former."""
    path = tmp_path / "a.csv"
    for other, expected in (('"1,234.56"', 12_000), ('"1.234,56"', 12), ("1.5", None)):
        path.write_text("a,b\n" + "".join(f'"12,{row * 7 % 60:03}",{other}\n' for row in range(60)))
        if expected is None:
            with pytest.raises(
                InvalidHistory, match=r"column 'a' has numbers with a comma \(12,000\), and nothing proves"
            ):
                guess_monitor(str(path))
        else:
            assert _learned(guess_monitor(str(path)), str(path)).numbers[0, 0] == expected


def test_whole_numbers_beside_thousands_prove_them(tmp_path: Path) -> None:
    """Who leaves the fraction out of 950 would not write 1,2 as 1,200."""
    path = _table(tmp_path / "a.csv", ["950", "1,200", "1,203"] * 30)
    assert _learned(guess_monitor(path), path).numbers[:3, 0].tolist() == [950, 1200, 1203]


def test_a_column_of_another_form_says_so_itself(tmp_path: Path) -> None:
    """A point that is a decimal sign in one column would be a thousands' one by the record's word."""
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "".join(f'"1.0{row * 7 % 60:02},5",{row * 7 % 60}.125\n' for row in range(60)))
    record = guess_monitor(str(path)).monitor.record
    assert (record.written, record.written_of("a"), record.written_of("b")) == (None, "1.234,5", None)
    learned = _learned(guess_monitor(str(path)), str(path))
    assert learned.numbers[1].tolist() == [1007.5, 7.125]


@pytest.mark.parametrize("spelling", ["{:.1f}%", "{:.1f} %", "{:.1f}\u00a0GiB", "{:.1f} ms", "{:,.1f} m³/h"])
def test_numbers_with_one_unit_are_numbers(spelling: str, tmp_path: Path) -> None:
    """Dashboards put the unit behind each number; the monitor says it once."""
    path = _table(tmp_path / "a.csv", [spelling.format(value) for value in _VALUES])
    guess = guess_monitor(path)
    assert guess.monitor.record.features[0].unit == spelling.partition("}")[2].strip()
    assert _learned(guess, path).numbers[:, 0] == pytest.approx([float(f"{value:.1f}") for value in _VALUES])


@pytest.mark.parametrize(
    ("texts", "unit", "numbers"),
    [
        (["900 MiB", "1.5 GiB", "0"], "MiB", [900, 1536, 0]),
        (["12K", "3.4M", "950"], "", [12_000, 3_400_000, 950]),
        (["1.2K", "2.5K", "0.9K"], "", [1_200, 2_500, 900]),
        (["850 ms", "1.2 s", "2 min"], "ms", [850, 1_200, 120_000]),
        (["1.2 kW", "800 W", "-3 W"], "W", [1_200, 800, -3]),
        (["1.2 Mil", "3 K", "5"], "", [1_200_000, 3_000, 5]),
    ],
)
def test_units_of_several_sizes_are_read_in_the_smallest(
    texts: list[str], unit: str, numbers: list[float], tmp_path: Path
) -> None:
    """900 MiB is less than 1.2 GiB; the monitor says how large each unit is, and a note shows a number."""
    path = _table(tmp_path / "a.csv", texts * 50)
    guess = guess_monitor(path)
    assert guess.monitor.record.features[0].unit == unit
    assert any(note.startswith("units of several sizes: in 'a'") for note in guess.notes)
    assert _learned(guess, path).numbers[:3, 0] == pytest.approx(numbers)


@pytest.mark.parametrize(
    ("texts", "unit", "numbers"),
    [
        (["$1,234.50", "-$7.25", "$2,000,000.00"], "$", [1234.5, -7.25, 2e6]),
        (["($1,234.50)", "$7.25", "$(3.00)"], "$", [-1234.5, 7.25, -3]),
        (["(1,234.00)", "(7.50)", "12.25"], "", [-1234, -7.5, 12.25]),
        (["USD 1,234.50", "USD (7.25)", "USD 3.50"], "USD", [1234.5, -7.25, 3.5]),
        (["1.234,50 €", "(7,25 €)", "3,00 €"], "€", [1234.5, -7.25, 3]),
    ],
)
def test_money_is_read_as_accounts_write_it(texts: list[str], unit: str, numbers: list[float], tmp_path: Path) -> None:
    """The currency before or behind, and parentheses in place of a minus."""
    path = _table(tmp_path / "a.csv", texts * 50)
    guess = guess_monitor(path)
    assert (guess.monitor.record.features[0].unit, guess.monitor.record.written is not None) == (unit, True)
    assert _learned(guess, path).numbers[:3, 0] == pytest.approx(numbers)


def test_points_part_thousands_where_the_file_proves_it(tmp_path: Path) -> None:
    """1.234 is a thousand beside 12,5 in another column, or beside whole numbers of three digits; alone it is a little more
    than one, and a note says so."""
    path = tmp_path / "a.csv"
    for other, written in (("12,5", "1.234,5"), ("x", None)):
        path.write_text("a;b\n" + "".join(f"1.2{row * 7 % 60:02};{other}\n" for row in range(60)))
        guess = guess_monitor(str(path))
        assert guess.monitor.record.written == written
        assert any("if the points part thousands" in note for note in guess.notes) is (written is None)
    assert _learned(guess, str(path)).numbers[1, 0] == pytest.approx(1.207)
    path.write_text("a\n" + "".join(f"{each}\n" for each in ["950", "1.200", "1.234"] * 30))
    assert _learned(guess_monitor(str(path)), str(path)).numbers[:3, 0].tolist() == [950, 1200, 1234]
    path.write_text("a\n" + "".join(f"{each}\n" for each in ["1.500", "0.250", "2.000"] * 30))
    assert _learned(guess_monitor(str(path)), str(path)).numbers[:3, 0].tolist() == [1.5, 0.25, 2]


@pytest.mark.parametrize("words", [["12A", "14B"], ["10:30 AM", "11:30 AM"], ["2026-01-01T00:00:00Z", "late"]])
def test_words_that_begin_with_digits_stay_words(words: list[str], tmp_path: Path) -> None:
    """A seat, a time of day and a time are no numbers with units."""
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "".join(f"{words[row % 2]},{row % 7}\n" for row in range(100)))
    guess = guess_monitor(str(path))
    assert guess.monitor.record.numbers == ("b",)
    assert not any("with units" in note for note in guess.notes)


def test_every_way_in_reads_numbers_alike(tmp_path: Path) -> None:
    """Lines of CSV and JSON and a Parquet file's text mean the same, and what is of no such form is refused."""
    schema = RecordSchema.model_validate(
        {"written": "1.234,5", "features": {"a": {"type": "numeric", "unit": "EUR", "missing": ["n.v."]}}}
    )
    texts = ["1.234,56 EUR", "-7,5", "12EUR", "1.234", "n.v.", "-"]
    expected = [1234.56, -7.5, 12, 1234, np.nan, np.nan]
    wrong = ["1,234.5", "1.23", "3 USD", "EUR"]
    from_csv = CsvDecoder(schema, ["a"], ",").decode(_messages([f'"{text}"'.encode() for text in texts + wrong]))
    from_json = JsonDecoder(schema).decode(_messages([json.dumps({"a": text}).encode() for text in texts + wrong]))
    for decoded in (from_csv, from_json):
        assert decoded.batch.numbers[:, 0] == pytest.approx(expected, nan_ok=True)
        assert len(decoded.dead_letters) == len(wrong)  # of which there is no other value
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": texts}), path)
    assert read_history(schema, [str(path)]).numbers[:, 0] == pytest.approx(expected, nan_ok=True)
    for text in wrong:
        pq.write_table(pa.table({"a": [text]}), path)
        with pytest.raises(InvalidHistory, match="field 'a'"):
            read_history(schema, [str(path)])
