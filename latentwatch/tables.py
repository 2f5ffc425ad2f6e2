"""A CSV, JSONL or Parquet file as a relation of the columns a monitor needs, through DuckDB.

Files → columns. Everything textual is read as text and cast by the monitor's schema, never by a guess at types, so that
a training file and the same rows arriving on a stream mean the same.
"""

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentwatch.domain.errors import InvalidHistory
from latentwatch.streams.decoding.cells import MISSING_WORDS, has_decimal_commas
from latentwatch.streams.decoding.csv_rows import CsvHead
from latentwatch.streams.decoding.unpacking import Unpack
from latentwatch.streams.sources.packed import SUFFIXES
from latentwatch.text_rows import JSON_COLUMN, begins_an_object, csv_head, json_names, text_rows

_FORMATS = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}
_PARQUET = (".parquet", ".pq")
_TEXT_ROWS = "text_rows"
# Not told how many lines to skip, DuckDB skips those that look unlike the most, and says nothing.
_REMOTE_CSV = "quote='\"', all_varchar=true, nullstr='', parallel=false, skip=0, header=true"


@dataclass(frozen=True, slots=True)
class TableFile:
    """One readable file: `relation` is what DuckDB selects from, `columns` the fields it has."""

    path: str
    format: str
    relation: str
    columns: tuple[str, ...]
    types: dict[str, str]
    """DuckDB's type of each column; empty for JSONL, whose fields are cast one by one."""
    head: CsvHead | None = None
    """Of a local CSV file."""
    unpack: Unpack | None = None
    """What takes apart lines of JSON that hold several records."""
    patient: bool = False
    """Whether rows of local CSV that have another width count as rows without a value."""
    encoding: str | None = None
    """What local text is in, where not UTF-8 and no byte order mark says it."""

    @property
    def is_text(self) -> bool:
        """Whether the file is local text: its lines are cut here, as scoring cuts them, and DuckDB gets the cells."""
        return self.relation == _TEXT_ROWS

    @property
    def decimal_commas(self) -> bool:
        """Whether a comma within a number is its decimal sign."""
        return self.head is not None and has_decimal_commas(self.head.delimiter)

    def word(self, field: str) -> str | None:
        """The SQL expression of a feature that is text: a CSV cell may also say that it has no value."""
        text = self.text(field)
        if self.format != "csv" or text is None:
            return text
        return f"CASE WHEN {text} NOT IN ({_listed(MISSING_WORDS)}) THEN {text} END"

    def text(self, field: str) -> str | None:
        """The SQL expression of a field as text, or None where the file lacks it; dots reach into nested records."""
        if self.format == "jsonl":
            found = field in self.columns or field.split(".")[0] in self.columns
            steps = [field] if field in self.columns else field.split(".")
            return f"({JSON_COLUMN}->>'$.{'.'.join(_inside_json(step) for step in steps)}')" if found else None
        raw = self.raw(field)
        return None if raw is None else f"CAST({raw} AS VARCHAR)"

    def json(self, field: str) -> str | None:
        """The SQL expression of a field as JSON, where text stands in quotes and an object does not."""
        if self.format != "jsonl":
            raw = self.raw(field)
            return None if raw is None else f"CAST(to_json({raw}) AS VARCHAR)"
        text = self.text(field)
        return None if text is None else f"CAST({text.replace('->>', '->', 1)} AS VARCHAR)"

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
        """The SQL expressions of a numeric field's value, as text where the file has text, and of whether it has one."""
        raw, type_ = str(self.raw(field)), self.types.get(field.split(".")[0], "VARCHAR")
        given = f"{raw} IS NOT NULL"
        if boolean or type_.startswith(("VARCHAR", "STRUCT")):  # of a nested field the type is not known here
            return str(self.text(field)), given
        # A truth value is no number, as on a stream.
        return ("CAST(NULL AS DOUBLE)" if type_ == "BOOLEAN" else f"TRY_CAST({raw} AS DOUBLE)"), given

    def select(self, expressions: Sequence[str], limit: int | None = None) -> list[NDArray[Any]]:
        """One array per expression, in file order; masked where SQL says NULL. Raises InvalidHistory."""
        clause = "" if limit is None else f" LIMIT {int(limit)}"
        listed = ", ".join(f"{expression} AS c{index}" for index, expression in enumerate(expressions))
        result = _run(f"SELECT {listed} FROM {self.relation}{clause}", self)
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
            matches = sorted(str(file) for file in path.iterdir() if _is_data(file))
            if not matches:
                raise InvalidHistory(f"{pattern}: this folder holds no CSV, JSONL or Parquet file; give one that does")
        else:
            matches = [pattern] if path.is_file() else sorted(glob.glob(pattern, recursive=True))
        if not matches:
            raise InvalidHistory(f"{pattern}: no such file; give a CSV, JSONL or Parquet path, folder or glob")
        found.extend(matches)
    return list(dict.fromkeys(found))


def open_table(path: str, unpack: Unpack | None = None, encoding: str | None = None) -> TableFile:
    """Look at a file's format and fields; `unpack` takes lines of JSON apart, `encoding` is that of text.

    Raises InvalidHistory naming the file and what is wrong.
    """
    form, literal = format_of(path, encoding), _literal(path)
    if form == "csv" and _is_local(path):
        head = csv_head(path, encoding)
        return TableFile(
            path, form, _TEXT_ROWS, head.names, dict.fromkeys(head.names, "VARCHAR"), head, encoding=encoding
        )
    if form == "jsonl" and _is_local(path):
        return TableFile(
            path, form, _TEXT_ROWS, json_names(path, unpack, encoding), {}, unpack=unpack, encoding=encoding
        )
    if form == "jsonl":
        file = TableFile(path, form, f"read_ndjson_objects({literal})", (), {})
        keys = _run(f"SELECT unnest(json_keys({JSON_COLUMN})) AS name FROM (FROM {file.relation} LIMIT 1000)", file)
        return replace(file, columns=tuple(dict.fromkeys(map(str, keys["name"]))))
    relation = f"read_parquet({literal})" if form == "parquet" else f"read_csv({literal}, {_REMOTE_CSV})"
    file = TableFile(path, form, relation, (), {})
    described = _run(f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM {relation})", file)
    types = dict(zip(map(str, described["column_name"]), map(str, described["column_type"]), strict=True))
    return replace(file, columns=tuple(types), types=types)


def format_of(path: str, encoding: str | None = None) -> str:
    """`csv`, `jsonl` or `parquet`, by the name; where that does not say, by the first byte, as in scoring."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    if suffixes and suffixes[-1] in _PARQUET:
        return "parquet"
    named = [_FORMATS[suffix] for suffix in suffixes[-2:] if suffix in _FORMATS]  # readings.jsonl.gz
    if named:
        return named[-1]
    return "jsonl" if _is_local(path) and begins_an_object(path, encoding) else "csv"


@cache
def _database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1, "preserve_insertion_order": True})


def _run(query: str, file: TableFile) -> dict[str, Any]:
    """A query's columns by their names. Raises InvalidHistory."""
    faults: list[InvalidHistory] = []  # of the reader of text: DuckDB hands on its words, not its type

    def rows() -> Iterator[pa.RecordBatch]:
        try:
            yield from text_rows(file.path, file.head, file.unpack, file.patient, file.encoding)
        except InvalidHistory as fault:
            faults.append(fault)
            raise

    cursor = _database().cursor()  # of its own, which makes this safe between threads
    if file.is_text:
        schema = pa.schema([(name, pa.string()) for name in (file.head.names if file.head else (JSON_COLUMN,))])
        cursor.register(_TEXT_ROWS, pa.RecordBatchReader.from_batches(schema, rows()))
    try:
        return cursor.execute(query).fetchnumpy()  # rows are read as they are fetched, so this can fail too
    except duckdb.Error as error:
        if faults:
            raise faults[0] from None
        reason = str(error).splitlines()[0].removeprefix("Invalid Input Error: ")
        raise InvalidHistory(f"{file.path}: cannot be read: {reason}") from None


def as_masked(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """A DuckDB column as plain data and whether each value is missing."""
    return np.ma.getdata(values), np.ma.getmaskarray(values)


def _is_data(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        suffix = Path(path.stem).suffix.lower()
    return suffix in _FORMATS or suffix in _PARQUET


def _is_local(path: str) -> bool:
    return "://" not in path


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _listed(words: Sequence[str]) -> str:
    return ", ".join(map(_literal, words))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _inside_json(step: str) -> str:
    return '"' + step.replace('"', '\\"').replace("'", "''") + '"'
