"""What a scored archive is, whichever engine scored it: the columns of its rows, and what it came to."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

SCORED = pa.schema(
    [
        ("file", pa.string()),
        ("position", pa.int64()),
        ("surprise", pa.float64()),
        ("reconstruction", pa.float64()),
        ("density", pa.float64()),
        ("flagged", pa.bool_()),
        ("excepted", pa.int64()),
        ("error", pa.string()),
        ("unread", pa.string()),
    ]
)
"""`position` is the row's index in its file; scores are null where `error` says why there are none; `excepted`
is the exception that let a record pass; `unread` says which values could not be read and are missing in the score."""


@dataclass(frozen=True, slots=True)
class ArchiveTally:
    """What an archive came to."""

    records: int
    flagged: int
    unreadable: int
    first_reason: str
    """Why one of the unreadable records was."""
    unread: int
    """Records of which values could not be read, so that they were scored without."""
    first_unread: str
    """Why those of one of them could not."""


def complete(rows: list[dict[str, Any]], files: Any, positions: Any) -> pa.RecordBatch:
    """Rows of scores as columns, with where each one stands: one file and one position a row."""
    columns: list[Any] = [files, positions]
    columns += [[row.get(name) for row in rows] for name in ("surprise", "reconstruction", "density")]
    columns += [
        [row.get("flagged", False) for row in rows],
        *([row.get(name) for row in rows] for name in ("excepted", "error")),
        ["; ".join(row["unread"].values()) if "unread" in row else None for row in rows],
    ]
    arrays = [
        column.cast(field.type) if isinstance(column, pa.Array) else pa.array(column, field.type)
        for column, field in zip(columns, SCORED, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=SCORED)
