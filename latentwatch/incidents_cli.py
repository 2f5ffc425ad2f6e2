"""`latentwatch incidents`: alerts that belong together, without a browser."""

from typing import Annotated

import typer

from latentwatch.handling_cli import add_handling

app = typer.Typer(
    no_args_is_help=True,
    help="List incidents, which are alerts that belong together; label, handle, split or merge them.",
    epilog="Example: latentwatch incidents list --status open",
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Author = Annotated[str, typer.Option(envvar="USER", help="Who says so.")]
Incident = Annotated[int, typer.Argument(metavar="INCIDENT", help="The incident's number.", show_default=False)]


@app.command("list", epilog="Example: latentwatch incidents list --monitor hosts --status open")
def list_incidents(
    monitor: Annotated[str | None, typer.Option(help="Only those with an alert of this monitor.")] = None,
    status: Annotated[
        str | None, typer.Option(help="Only those with an open, acknowledged, snoozed, silenced or closed alert.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many, newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List incidents, newest first."""
    from latentwatch.console import print_json, print_table
    from latentwatch.incident_handling import recent_incidents, summary

    found = recent_incidents(monitor, status, limit)
    if as_json:
        print_json([summary(one) for one in found])
        return
    rows = [
        (
            one.id,
            ", ".join(one.monitors),
            one.named,
            one.count,
            one.severity,
            one.status,
            one.started,
            ", ".join(one.features),
            one.verdict,
            ", ".join(one.assignees),
        )
        for one in found
    ]
    headers = (
        "incident",
        "monitor",
        "entities",
        "alerts",
        "severity",
        "status",
        "started",
        "features",
        "verdict",
        "assignee",
    )
    print_table(headers, rows, "No incident.")


@app.command(epilog="Example: latentwatch incidents show 12")
def show(incident: Incident, as_json: AsJson = False) -> None:
    """Show an incident's alerts in the order in which they began."""
    from latentwatch.console import print_json, print_table
    from latentwatch.incident_handling import one_incident, summary

    found = one_incident(incident)
    if as_json:
        print_json(summary(found))
        return
    headers = ("alert", "monitor", "entity", "severity", "status", "started", "ended", "features", "verdict")
    rows = [
        (a.id, a.monitor, a.entity, a.severity, a.status, a.started, a.ended, ", ".join(a.features), a.verdict)
        for a in found.alerts
    ]
    print_table(headers, rows, "No alert.")
    if found.count > len(found.alerts):
        typer.echo(f"and {found.count - len(found.alerts):,} more")


@app.command(epilog="Example: latentwatch incidents label 12 true --cause 'upstream outage'")
def label(
    incident: Incident,
    verdict: Annotated[str, typer.Argument(metavar="VERDICT", help="true, false or unsure.", show_default=False)],
    author: Author = "",
    cause: Annotated[str, typer.Option(help="What it was.")] = "",
    note: Annotated[str, typer.Option(help="Anything worth keeping.")] = "",
) -> None:
    """Say whether an incident was real: one label for all its alerts."""
    from latentwatch.handling import handle

    typer.echo(handle("incident", [incident], verdict, author, note, cause=cause))


add_handling(app, "incident")


@app.command(epilog="Example: latentwatch incidents split 12 14 15")
def split(
    incident: Incident,
    alerts: Annotated[list[int], typer.Argument(metavar="ALERT...", help="What does not belong.", show_default=False)],
    author: Author = "",
) -> None:
    """Make some alerts of an incident one of their own, which later alerts do not join."""
    from latentwatch.incident_handling import split_incident

    typer.echo(
        f"incident {incident}: {len(set(alerts))} alerts are now incident {split_incident(incident, alerts, author)}"
    )


@app.command(epilog="Example: latentwatch incidents merge 12 31")
def merge(
    incidents: Annotated[list[int], typer.Argument(metavar="INCIDENT...", help="Two or more.", show_default=False)],
    author: Author = "",
) -> None:
    """Make several incidents one, of one monitor or of several."""
    from latentwatch.incident_handling import merge_incidents

    typer.echo(f"incidents {', '.join(map(str, incidents))} are now incident {merge_incidents(incidents, author)}")


@app.command(epilog="Example: latentwatch incidents place plant")
def place(
    monitor: Annotated[str | None, typer.Argument(metavar="MONITOR", help="Of this monitor only.")] = None,
    as_json: AsJson = False,
) -> None:
    """Place incidents on their monitors' maps, alike ones together, as the nightly run does; old ones move little."""
    from latentwatch.console import print_json, say
    from latentwatch.incident_placing import place_incidents

    found = place_incidents(monitor)
    if as_json:
        print_json(found)
        return
    for name, count in found.items():
        say(f"{name}: {count:,} incidents placed")
