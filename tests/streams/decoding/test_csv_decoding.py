"""CSV lines: typed by the schema, quoted where needed, refused with a reason."""

import gzip

import pytest

from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.record import Decoded, RawMessage
from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.decoding.csv_decoding import CsvDecoder
from latentwatch.streams.ports import messages_of

SCHEMA = RecordSchema.model_validate(
    {"time": "at", "entity": "rig", "features": {"P": "numeric", "on": "boolean", "mode": "category"}}
)
HEADER = ["mode", "at", "extra", "P", "rig", "on"]


def decode(*lines: bytes, delimiter: str = ",") -> Decoded:
    """Lines at offsets 0, 1, ..."""
    rows = [RawMessage(0, offset, line, 0) for offset, line in enumerate(lines)]
    return CsvDecoder(SCHEMA, HEADER, delimiter).decode(messages_of("file.csv", rows))


def test_reads_columns_by_name() -> None:
    """The header says where each field stands; other columns are ignored."""
    batch = decode(b"auto,2026-01-01T00:00:00Z,x,1.5,a,true", b"auto,2026-01-01T00:00:01Z,,-2e3,b,0\r\n").batch
    assert batch.numbers.tolist() == [[1.5, 1], [-2000, 0]]
    assert batch.entities.tolist() == ["a", "b"]
    assert batch.categories[:, 0].tolist() == ["auto", "auto"]
    assert (batch.times[1] - batch.times[0]).tolist() == 1_000_000


def test_a_blank_name_stands_for_its_place() -> None:
    """A saved index has no name in the header; it is called as the command line's training calls it."""
    schema = RecordSchema.model_validate({"features": {"column0": "numeric", "P": "numeric"}})
    rows = [RawMessage(0, 0, b"7,1.5", 0)]
    batch = CsvDecoder(schema, ["", "P"]).decode(messages_of("file.csv", rows)).batch
    assert batch.numbers.tolist() == [[7.0, 1.5]]


def test_empty_cells_and_the_usual_words_are_missing() -> None:
    """Empty, NA, NaN, null and what spreadsheets write are missing values, in numbers and words alike."""
    assert decode(b"#N/A,2026-01-01T00:00:00,,n/a,a,<NA>").batch.values(0) == {"P": None, "on": None, "mode": None}
    batch = decode(b",2026-01-01T00:00:00,,,a,", b"NA,2026-01-01T00:00:00,,NaN,a,null").batch
    assert batch.values(0) == batch.values(1) == {"P": None, "on": None, "mode": None}


def test_a_comma_in_a_number_is_its_decimal_sign_where_it_parts_no_columns() -> None:
    """Points that part thousands beside it are passed over, others are refused, and so is any comma between commas."""
    found = decode(
        *(f"auto;2026-01-01;x;{cell};a;1".encode() for cell in ("1,5", "-2", "1.000,5", "1.00,5")), delimiter=";"
    )
    assert found.batch.numbers[:3, 0].tolist() == [1.5, -2, 1000.5]
    assert [value.reason for value in found.unread] == ["field 'P' is text ('1.00,5'), a number belongs there"]
    assert len(decode(b'auto,2026-01-01,x,"1,5",a,1').unread) == 1


def test_quoted_cells_hold_delimiters_and_line_breaks() -> None:
    """Quotes are read as the format has it."""
    batch = decode(b'"a, ""b""\nc",2026-01-01T00:00:00,,1,"x,y",1').batch
    assert batch.categories[0, 0] == 'a, "b"\nc'
    assert batch.entities[0] == "x,y"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"auto,2026-01-01,x,1,a", "5 columns where the header has 6"),
        (b"auto,soon,x,1,a,1", "time field 'at' is not a time: 'soon'"),
        (b"auto,,x,1,a,1", "time field 'at' is missing"),
        (b"auto,2026-01-01,x,1,,1", "entity field 'rig' is missing"),
        (b"caf\xe9,2026-01-01,x,1,a,1", "not UTF-8 text"),
        (b"auto," + b"9" * 5_000 + b",x,1,a,1", "time field 'at' is not a time: '999"),
        (b"\xef\xbb\xbfauto,2026-01-01,x,1,a,1", "not CSV: text behind a byte order mark"),
        ("auto,2026-01-01,x,1,a,1".encode("utf-16"), "not CSV: text in UTF-16"),
        ("auto,2026-01-01,x,1,a,1".encode("utf-16-le"), "not CSV: text in UTF-16"),
        (gzip.compress(b"auto,2026-01-01,x,1,a,1", mtime=0), "not CSV: compressed with gzip"),
        (b'"open,2026-01-01,x,1,a,1', "not valid CSV"),
        (b"", "an empty line"),
    ],
)
def test_bad_lines_become_dead_letters_with_a_reason(line: bytes, reason: str) -> None:
    """A bad line harms no neighbour, and says what is wrong with it."""
    sound = b"auto,2026-01-01T00:00:00,x,1,a,1"
    decoded = decode(sound, line, sound)
    assert decoded.batch.numbers[:, 0].tolist() == [1, 1]
    (letter,) = decoded.dead_letters
    assert letter.position.offset == 1
    assert reason in letter.reason


@pytest.mark.parametrize(
    ("line", "feature", "reason"),
    [
        (b"auto,2026-01-01,x,high,a,1", "P", "field 'P' is text ('high'), a number belongs there"),
        (b"auto,2026-01-01,x,inf,a,1", "P", "field 'P' is infinite"),
        (b"auto,2026-01-01,x,1e300,a,1", "P", "field 'P' is infinite, or too large"),
        (b"auto,2026-01-01,x,1,a,maybe", "on", "field 'on' is text ('maybe'), true or false belongs there"),
    ],
)
def test_a_cell_that_its_feature_cannot_have_is_missing_and_noted(line: bytes, feature: str, reason: str) -> None:
    """The row is read without it."""
    sound = b"auto,2026-01-01T00:00:00,x,1,a,1"
    decoded = decode(sound, line, sound)
    assert not decoded.dead_letters
    assert [decoded.batch.values(row)[feature] for row in range(3)] == [1, None, 1]
    (unread,) = decoded.unread
    assert (unread.position.offset, unread.feature, unread.payload) == (1, feature, line)
    assert reason in unread.reason


def test_a_header_without_a_field_of_the_schema_is_refused() -> None:
    """The whole file cannot be used: said at once, with all that it lacks and what the header has."""
    with pytest.raises(InvalidInput, match="lacks 'on', 'rig'; it has 'at', 'P', 'mode'"):
        CsvDecoder(SCHEMA, ["at", "P", "mode"])
