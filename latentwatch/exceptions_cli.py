"""`latentwatch exceptions`: what is normal although a model finds it strange, proposed from alerts and taken back at will."""

from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="Say what is normal, so that alerts like one do not come again.",
    epilog="Example: latentwatch exceptions propose payments --alert 12",
)

Name = Annotated[str, typer.Argument(metavar="MONITOR", help="The monitor's name, or its file.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Author = Annotated[str, typer.Option(envvar="USER", help="Who says so.")]


@app.command(epilog="Example: latentwatch exceptions propose payments --alert 12 --alert 13")
def propose(
    monitor: Name,
    alert: Annotated[list[int], typer.Option(help="An alert that should not come again; several times for several.")],
    as_json: AsJson = False,
) -> None:
    """Propose exceptions, best first, each with what it would have changed in the past."""
    from latentwatch.console import print_json, print_table
    from latentwatch.domain.percent import percent
    from latentwatch.excepting import proposals

    found = proposals(monitor, alert)
    if as_json:
        print_json(
            [
                {
                    "id": each.id,
                    "text": each.text,
                    "alerts_covered": each.preview.alerts_covered,
                    "alerts_like": each.preview.alerts_like,
                    "share_of_alerts": each.preview.share_of_alerts,
                    "given_covered": each.given_covered,
                    "confirmed_lost": len(each.preview.confirmed),
                    "share_of_records": each.preview.share_of_records,
                }
                for each in found
            ]
        )
        return
    rows = [
        (
            each.id,
            each.text,
            f"{each.given_covered} of {len(set(alert))}",
            f"{each.preview.alerts_covered} of {each.preview.alerts_like}",
            percent(each.preview.share_of_alerts),
            len(each.preview.confirmed),
            percent(each.preview.share_of_records),
        )
        for each in found
    ]
    headers = (
        "proposal",
        "what it says",
        "of these",
        "of those like it",
        "their records",
        "confirmed lost",
        "all records",
    )
    print_table(headers, rows, "Nothing that could be excepted would cover these alerts; label them all the same.")


@app.command(epilog="Example: latentwatch exceptions add payments --proposal p1a2b3c4d5e6 --note 'customers there now'")
def add(
    monitor: Name,
    proposal: Annotated[str, typer.Option(help="The id of a proposal.")],
    note: Annotated[str, typer.Option(help="Why it is normal.")],
    until: Annotated[
        str | None,
        typer.Option(help="When it ends: a length such as 30d from now, or a time. By default never."),
    ] = None,
    author: Author = "",
    as_json: AsJson = False,
) -> None:
    """Accept a proposal; scorers take it up within seconds, without a new model."""
    from latentwatch.console import print_json, say
    from latentwatch.excepting import accept_proposal, facts_of

    made = accept_proposal(monitor, proposal, note, until, author)
    if as_json:
        print_json(facts_of(made))
        return
    end = "" if made.until is None else f", for records before {made.until:%Y-%m-%d %H:%M} UTC"
    say(f"exception {made.id}: {made.text}{end}; undo it with: latentwatch exceptions remove {made.monitor} {made.id}")


@app.command("list", epilog="Example: latentwatch exceptions list payments")
def list_exceptions(
    monitor: Annotated[
        str | None, typer.Argument(metavar="MONITOR", help="Only this monitor's.", show_default=False)
    ] = None,
    removed: Annotated[bool, typer.Option("--removed", help="Those taken back as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """List exceptions, newest first, with what each came to since."""
    from latentwatch.console import print_json, print_table
    from latentwatch.excepting import facts_of, listed

    found, unneeded = listed(monitor, removed=removed)
    if as_json:
        print_json([{**facts_of(each), "needed": each.id not in unneeded} for each in found])
        return
    rows = [
        (
            each.id,
            each.monitor,
            each.text,
            each.until,
            each.author,
            each.note,
            each.created,
            each.records,
            each.last,
            "taken back" if each.removed else "not needed any more" if each.id in unneeded else "",
        )
        for each in found
    ]
    headers = ("id", "monitor", "what it says", "until", "author", "why", "created", "records", "last", "")
    print_table(headers, rows, "No exception.")


@app.command(epilog="Example: latentwatch exceptions remove payments 3")
def remove(
    monitor: Name,
    exception: Annotated[int, typer.Argument(metavar="ID", help="The exception's number.", show_default=False)],
    author: Author = "",
) -> None:
    """Take an exception back; what it covered alarms again within seconds."""
    from latentwatch.console import say
    from latentwatch.excepting import take_back

    gone = take_back(monitor, exception, author)
    say(f"exception {gone.id} is taken back: {gone.text}; it had to do with {gone.records:,} records")
