"""PostgreSQL's fast way in: all rows of a statement as one JSON parameter.

A statement per row costs the client 35 µs and the server another parse of its message, which at a flagged record in a
hundred is what a commit spends most of its time on. One parameter of JSON, taken apart by the server, costs half.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import LargeBinary, Table, text
from sqlalchemy.dialects import postgresql

from alerts.columns import Floats, StorableNumber, StorableText, finite, storable


def rows_selected(table: Table) -> postgresql.Insert:
    """An INSERT of the rows in the JSON parameter `rows`, to be completed with what happens on conflict."""
    names = [column.name for column in table.columns]
    listed = ", ".join(f'"{name}"' for name in names)
    source = f"SELECT {listed} FROM json_populate_recordset(CAST(NULL AS {table.name}), CAST(:rows AS json))"
    return postgresql.insert(table).from_select(names, text(source).columns(*table.columns))


def rows_as_json(table: Table, values: list[dict[str, Any]]) -> str | None:
    """The parameter; None where some text can only be escaped, which PostgreSQL's JSON functions refuse."""
    converters = _converters(table)
    rows = [
        {name: value if (convert := converters.get(name)) is None else convert(value) for name, value in row.items()}
        for row in values
    ]
    try:
        encoded = msgspec.json.encode(rows)
    except UnicodeEncodeError:  # a lone surrogate
        return None
    return None if b"\\u0000" in encoded else encoded.decode()


@cache
def _converters(table: Table) -> dict[str, Callable[[Any], Any]]:
    """For each column whose values JSON cannot hold as they are: how they become what the server reads."""
    found: dict[str, Callable[[Any], Any]] = {}
    for column in table.columns:
        if isinstance(column.type, StorableText):
            found[column.name] = storable
        elif isinstance(column.type, StorableNumber):
            found[column.name] = finite
        elif isinstance(column.type, Floats):
            found[column.name] = lambda vector: _hex(np.asarray(vector, "<f4").tobytes())
        elif isinstance(column.type, LargeBinary):
            found[column.name] = _hex
    return found


def _hex(value: bytes) -> str:
    return "\\x" + value.hex()
