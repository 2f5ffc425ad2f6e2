"""`latentwatch database`: moving everything that is stored to another database."""

from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="Copy everything that is stored to another database, SQLite or PostgreSQL.",
    epilog="Example: latentwatch database copy sqlite:///latentwatch.db postgresql://latentwatch@db.example.org/latentwatch",
)


@app.callback()
def _several() -> None:
    """Else its only command would be the sub-app itself."""


@app.command(
    epilog="Example: latentwatch database copy sqlite:///latentwatch.db postgresql://latentwatch@db.example.org/latentwatch"
    " · a password stays out of the process list in PGPASSWORD, or in ~/.pgpass where they differ"
)
def copy(
    source: Annotated[
        str, typer.Argument(metavar="FROM", help="Address of the database to copy; only read.", show_default=False)
    ],
    target: Annotated[
        str, typer.Argument(metavar="TO", help="Address of an empty database, or a new file.", show_default=False)
    ],
    force: Annotated[
        bool,
        typer.Option("--force", help="Even while a scorer runs; what it stores later is missing from the copy."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Copy every table to an empty database, all or nothing, and compare the counts; stop the scorers before."""
    from latentwatch.alerts.database import open_database
    from latentwatch.alerts.database_copy import copy_database, running_scorers
    from latentwatch.console import print_json, print_table, progress_bars, say
    from latentwatch.domain.addresses import without_secrets
    from latentwatch.domain.clock import SystemClock

    clock, to = SystemClock(), without_secrets(target)
    old, new = open_database(source, read_only=True), open_database(target)
    try:
        with progress_bars() as report:
            rows = copy_database(old, new, clock.now(), force=force, on_progress=report)
        alive = running_scorers(old, clock.now())
    finally:
        old.dispose()
        new.dispose()
    if as_json:
        print_json({"from": without_secrets(source), "to": to, "rows": rows})
    else:
        listed = [(table, f"{count:,}") for table, count in rows.items() if count]
        print_table(("table", "rows"), listed, "The database has its tables and no rows; so has the copy.")
    say(f"{sum(rows.values()):,} rows are in {to} now, as many of every table as there were")
    for one in alive:
        say(
            f"a scorer of {one.monitor} runs on {one.host} (process {one.pid}): what it stored meanwhile is not in the copy"
        )
    say("set LATENTWATCH_DATABASE to the new address for every process; bundles stay where they are")
