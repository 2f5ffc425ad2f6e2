"""A CSV, JSONL or Parquet file as a relation of the columns a monitor needs, through DuckDB.

Files → columns. Everything textual is read as text and cast by the monitor's schema, never by a guess at types, so that
a training file and the same rows arriving on a stream mean the same.
"""

import csv
import glob
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from domain.errors import InvalidHistory
from streams.decoding.cells import FALSE_WORDS, MISSING_WORDS, TRUE_WORDS

_DELIMITERS = ",;\t|"
_FORMATS = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}
_PARQUET = (".parquet", ".pq")


@dataclass(frozen=True, slots=True)
class TableFile:
    """One readable file: `relation` is what DuckDB selects from, `columns` the fields it has."""

    path: str
    format: str
    relation: str
    columns: tuple[str, ...]
    types: dict[str, str]
    """DuckDB's type of each column; empty for JSONL, whose fields are cast one by one."""

    def text(self, field: str) -> str | None:
        """The SQL expression of a field as text, or None where the file lacks it; dots reach into nested records."""
        if self.format == "jsonl":
            found = field in self.columns or field.split(".")[0] in self.columns
            steps = [field] if field in self.columns else field.split(".")
            return f"(json->>'$.{'.'.join(_inside_json(step) for step in steps)}')" if found else None
        raw = self.raw(field)
        return None if raw is None else f"CAST({raw} AS VARCHAR)"

    def raw(self, field: str) -> str | None:
        """The SQL expression of a field in the file's own type."""
        if self.format == "jsonl":
            return self.text(field)
        if field in self.columns:
            return _quoted(field)
        steps = field.split(".")
        if len(steps) > 1 and steps[0] in self.columns:
            return ".".join(_quoted(step) for step in steps)
        return None

    def number(self, field: str, boolean: bool) -> tuple[str, str]:
        """The SQL expressions of a numeric field's value and of whether it has one; text is read as on a stream."""
        raw, type_ = str(self.raw(field)), self.types.get(field.split(".")[0], "VARCHAR")
        text = f"trim({self.text(field)})"
        given = f"({raw} IS NOT NULL AND {text} NOT IN ({_listed(MISSING_WORDS)}))"
        if boolean:
            word = f"lower({text})"
            yes, no = _listed(TRUE_WORDS), _listed(FALSE_WORDS)
            return f"CASE WHEN {word} IN ({yes}) THEN 1.0 WHEN {word} IN ({no}) THEN 0.0 END", given
        if type_.startswith(("VARCHAR", "STRUCT")):  # of a nested field the type is not known here
            return f"CASE WHEN {given} THEN TRY_CAST({text} AS DOUBLE) END", given
        # A truth value is no number, as on a stream.
        return ("CAST(NULL AS DOUBLE)" if type_ == "BOOLEAN" else f"TRY_CAST({raw} AS DOUBLE)"), f"{raw} IS NOT NULL"

    def select(self, expressions: Sequence[str], limit: int | None = None) -> list[NDArray[Any]]:
        """One array per expression, in file order; masked where SQL says NULL. Raises InvalidHistory."""
        clause = "" if limit is None else f" LIMIT {int(limit)}"
        listed = ", ".join(f"{expression} AS c{index}" for index, expression in enumerate(expressions))
        result = _run(f"SELECT {listed} FROM {self.relation}{clause}", self.path).fetchnumpy()
        return [result[f"c{index}"] for index in range(len(expressions))]


def find_files(patterns: Sequence[str]) -> list[str]:
    """The files that paths, globs, folders and URLs name, in the order given. Raises InvalidHistory for one that names none."""
    found: list[str] = []
    for pattern in patterns:
        if "://" in pattern:
            found.append(pattern)
            continue
        path = Path(pattern)
        if path.is_dir():
            matches = sorted(str(file) for file in path.iterdir() if file.suffix.lower() in {*_FORMATS, *_PARQUET})
        else:
            matches = [pattern] if path.is_file() else sorted(glob.glob(pattern, recursive=True))
        if not matches:
            raise InvalidHistory(f"{pattern}: no such file; give a CSV, JSONL or Parquet path, folder or glob")
        found.extend(matches)
    return list(dict.fromkeys(found))


def open_table(path: str) -> TableFile:
    """Look at a file's format and fields. Raises InvalidHistory naming the file and what is wrong."""
    form = format_of(path)
    literal = _literal(path)
    if form == "parquet":
        relation = f"read_parquet({literal})"
    elif form == "jsonl":
        relation = f"read_ndjson_objects({literal})"
    else:
        relation = f"read_csv({literal}, {_csv_options(path)})"
    if form == "jsonl":
        if _is_local_text(path) and _begins_a_list(path):
            raise InvalidHistory(f"{path}: is one JSON list; write one object a line instead (JSON lines)")
        keys = _run(f"SELECT unnest(json_keys(json)) FROM (FROM {relation} LIMIT 1000)", path).fetchall()
        return TableFile(path, form, relation, tuple(dict.fromkeys(str(key[0]) for key in keys)), {})
    described = _run(f"DESCRIBE SELECT * FROM {relation}", path).fetchall()
    types = {str(row[0]): str(row[1]) for row in described}
    return TableFile(path, form, relation, tuple(types), types)


def _csv_options(path: str) -> str:
    """How DuckDB is to read a CSV file: everything as text, and names for a file of bare numbers."""
    # Not told how many lines to skip, DuckDB skips those that look unlike the most, and says nothing.
    options = f"quote='\"', all_varchar=true, nullstr=[{_listed(MISSING_WORDS)}], parallel=false, skip=0"
    if not _is_local_text(path):
        return f"{options}, header=true"
    header = _first_row(path)
    bare = all(_is_number(cell) for cell in header)
    names = [f"x{place}" for place in range(1, len(header) + 1)] if bare else _names(header, path)
    listed = ", ".join(_literal(name) for name in names)
    return f"{options}, delim={_literal(sniff_delimiter(path))}, header={'false' if bare else 'true'}, names=[{listed}]"


def _names(header: Sequence[str], path: str) -> list[str]:
    """The columns' names; a blank one, as a table's saved index has it, becomes `column<place>`, as on a stream."""
    names = [cell.strip() or f"column{place}" for place, cell in enumerate(header)]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise InvalidHistory(f"{path}: the header names {', '.join(map(repr, doubled))} more than once; rename one")
    return names


def format_of(path: str) -> str:
    """`csv`, `jsonl` or `parquet`, by the name; a name that does not say is a CSV."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    if suffixes and suffixes[-1] in _PARQUET:
        return "parquet"
    named = [_FORMATS[suffix] for suffix in suffixes[-2:] if suffix in _FORMATS]  # readings.jsonl.gz
    return named[-1] if named else "csv"


def sniff_delimiter(path: str) -> str:
    """The character between the columns of a CSV file's header: comma, semicolon, tab or bar."""
    if not _is_local_text(path):
        return ","
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            header = file.readline()
    except UnicodeDecodeError:
        raise InvalidHistory(f"{path}: is not UTF-8 text; convert it, or give JSONL or Parquet") from None
    except OSError as error:
        raise InvalidHistory(f"{path}: cannot be read ({error.strerror})") from None
    if not header.strip():
        raise InvalidHistory(f"{path}: is empty; a CSV file begins with a line of column names")
    outside = header if '"' not in header else "".join(header.split('"')[::2])
    return max(_DELIMITERS, key=lambda character: (outside.count(character), character == ","))


@cache
def _database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1, "preserve_insertion_order": True})


def _run(query: str, path: str) -> Any:
    try:
        return _database().cursor().execute(query)  # a cursor of its own makes this safe between threads
    except duckdb.Error as error:
        reason = _ragged_row(path) or str(error).splitlines()[0].removeprefix("Invalid Input Error: ")
        raise InvalidHistory(f"{path}: cannot be read: {reason}") from None


def _ragged_row(path: str) -> str | None:
    """Which line of a CSV file has not as many columns as its header; None where none is seen."""
    if format_of(path) != "csv" or not _is_local_text(path) or not Path(path).is_file():
        return None
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=sniff_delimiter(path))
            width = len(next(reader, []))
            for row in reader:
                if row and len(row) != width:
                    return (
                        f"line {reader.line_num} has {len(row)} columns where the header has {width}; correct the file"
                    )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        return str(error)
    return None


def as_masked(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """A DuckDB column as plain data and whether each value is missing."""
    return np.ma.getdata(values), np.ma.getmaskarray(values)


def _first_row(path: str) -> list[str]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        return next(csv.reader(file, delimiter=sniff_delimiter(path)), [])


def _begins_a_list(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(1024).lstrip().startswith(b"[")


def _is_local_text(path: str) -> bool:
    return "://" not in path and not path.endswith((".gz", ".zst"))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _listed(words: Sequence[str]) -> str:
    return ", ".join(map(_literal, words))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _inside_json(step: str) -> str:
    return '"' + step.replace('"', '\\"').replace("'", "''") + '"'
