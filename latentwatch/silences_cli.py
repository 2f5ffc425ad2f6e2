"""`latentwatch silences`: planned work during which nobody is told of what is strange."""

import sys
from typing import Annotated, Any

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="Tell nobody of some entities' alerts during planned work; what that hides is kept and listed.",
    epilog="Example: latentwatch silences add --monitor hosts --entity 'db-*' --weekly 'Sun 02:00-04:00' --reason backup",
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Author = Annotated[str, typer.Option(envvar="USER", help="Who says so.")]


@app.command(
    epilog="Examples: latentwatch silences add --monitor hosts --entity 'db-*' --from now --for 2h --reason 'disks are changed'"
    " · latentwatch silences add --monitor hosts --weekly 'Sun 02:00-04:00' --reason backup"
    " · latentwatch silences add --monitor hosts --ical https://calendar.example.org/maintenance.ics --reason maintenance"
)
def add(
    monitor: Annotated[str, typer.Option(help="The monitor's name.")],
    reason: Annotated[str, typer.Option(help="Why, for those who wonder why nothing was sent.")],
    entity: Annotated[str, typer.Option(help="Whose alerts: a name, in which * stands for anything.")] = "*",
    feature: Annotated[str, typer.Option(help="Only records that are about this feature before all others.")] = "",
    start: Annotated[
        str, typer.Option("--from", metavar="TIME", help="From when on: now, or a time such as 2026-03-01T02:00.")
    ] = "",
    end: Annotated[str, typer.Option("--to", metavar="TIME", help="Until when; ends a weekly rule for good.")] = "",
    length: Annotated[str, typer.Option("--for", metavar="LENGTH", help="Instead of --to: 2h, 3d.")] = "",
    weekly: Annotated[
        str, typer.Option(metavar="RULE", help="Every week: 'Sun 02:00-04:00', 'Mon-Fri 22:00-06:00', 'daily ...'.")
    ] = "",
    ical: Annotated[
        str,
        typer.Option(
            "--ical", metavar="ADDRESS|FILE", help="Whenever an event of this calendar is; read again every hour."
        ),
    ] = "",
    timezone: Annotated[
        str, typer.Option(help="By whose clock times without an offset are meant; by default the monitor's.")
    ] = "",
    author: Author = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what it would do.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add a silence, and show what it would have hidden in the past four weeks."""
    from dataclasses import asdict

    from latentwatch.console import print_json, say
    from latentwatch.silencing import planned, put_in_force, tried

    silence = planned(monitor, reason, author, entity, feature, start, end, length, weekly, timezone, ical)
    preview = tried(silence)
    done = silence if dry_run else put_in_force(silence)
    if as_json:
        print_json(_facts(done) | {"preview": asdict(preview), "done": not dry_run})
        return
    for line in preview.in_words:
        say(line)
    typer.echo(
        f"{done.in_words}: nothing was added (--dry-run)" if dry_run else f"silence {done.id} added: {done.in_words}"
    )


@app.command("list", epilog="Example: latentwatch silences list --all")
def list_silences(
    monitor: Annotated[str | None, typer.Option(help="Only this monitor's.")] = None,
    finished: Annotated[bool, typer.Option("--all", help="Also those that are over or were taken back.")] = False,
    as_json: AsJson = False,
) -> None:
    """List silences, latest first, with what each has hidden."""
    from latentwatch.console import print_json, print_table
    from latentwatch.silencing import known

    found = known(monitor, finished=finished)
    if as_json:
        print_json(
            [
                _facts(each.silence)
                | {"state": each.state, "until": each.until}
                | {"hidden_alerts": each.hidden_alerts, "hidden_records": each.hidden_records}
                for each in found
            ]
        )
        return
    rows = [
        (
            each.silence.id,
            each.silence.monitor,
            each.silence.in_words + (", not read again" if each.calendar_trouble else ""),
            each.state,
            None if each.state == "later" else each.until,
            each.until if each.state == "later" else None,
            each.hidden_alerts,
            each.silence.reason,
            each.silence.author,
        )
        for each in found
    ]
    print_table(
        ("silence", "monitor", "what", "in force", "until", "next from", "hid alerts", "reason", "by"),
        rows,
        "No silence.",
    )


@app.command(epilog="Example: latentwatch silences remove 3")
def remove(
    silence: Annotated[int, typer.Argument(metavar="SILENCE", help="The silence's number.", show_default=False)],
    author: Author = "",
) -> None:
    """Take a silence back; what it hid stays hidden and listed."""
    from latentwatch.silencing import take_back

    done = take_back(silence, author)
    sys.stdout.write(f"silence {done.id} hides nothing more: {done.in_words}\n")


@app.command(epilog="Example: latentwatch silences refresh")
def refresh() -> None:
    """Read the calendars of silences again now; `latentwatch notify` does so every hour."""
    from latentwatch.domain.errors import InvalidInput
    from latentwatch.silencing import refresh as read_again

    troubles = read_again()
    if troubles:
        raise InvalidInput("; ".join(troubles))
    typer.echo("every calendar is read")


def _facts(silence: Any) -> dict[str, Any]:
    from dataclasses import asdict

    from latentwatch.domain.silence import calendar_in_words

    named = calendar_in_words(silence.calendar) if silence.calendar else ""
    return asdict(silence) | {"calendar": named} | {"weekly": str(silence.weekly) if silence.weekly else ""}
