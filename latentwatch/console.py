"""What people see on a terminal, and what scripts read: people's words go to stderr, results to stdout."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import Enum
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

Report = Callable[[str, float], None]
"""Called with a step's name and the share of it that is done, 0 to 1."""


def people() -> Console:
    """The console for words and progress."""
    return Console(stderr=True, highlight=False)


def counted(number: int, noun: str) -> str:
    """A number and what it counts.

    >>> counted(1, "record"), counted(1200, "record")
    ('1 record', '1,200 records')
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def say(message: str) -> None:
    """One line for people."""
    people().print(message, markup=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON value on one line of stdout."""
    sys.stdout.write(json.dumps(value, default=_plain, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def print_table(headers: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> None:
    """A table on stdout, or a sentence where there is nothing to list."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    if not rows:
        console.print(empty, markup=False)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        # Text, because a str is read as markup: units in brackets would be lost, and "[/x]" raise.
        table.add_row(*(Text("" if cell is None else str(_plain(cell))) for cell in row))
    console.print(table)


@contextmanager
def progress_bars() -> Iterator[Report]:
    """Bars that grow as the yielded function is called; on a pipe, a line for each step that begins."""
    console = people()
    if not console.is_terminal:
        yield _line_by_line(console)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description:<24}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=False) as progress:
        tasks: dict[str, Any] = {}

        def report(step: str, share: float) -> None:
            if step not in tasks:
                for task in tasks.values():
                    progress.update(task, completed=1.0)
                tasks[step] = progress.add_task(step, total=1.0)
            progress.update(tasks[step], completed=min(1.0, share))

        yield report


def _line_by_line(console: Console) -> Report:
    begun: set[str] = set()

    def report(step: str, share: float) -> None:
        if step not in begun:
            begun.add(step)
            console.print(f"{step} ...", markup=False)

    return report


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, Enum):
        return value.value
    return value if isinstance(value, str | int | float | bool | list | dict | None) else str(value)
