"""`latentwatch alerts`: the inbox without a browser."""

from typing import Annotated

import typer

from latentwatch.handling_cli import add_handling
from latentwatch.missed_cli import missed

app = typer.Typer(
    no_args_is_help=True,
    help="List alerts and label them from a terminal or a script.",
    epilog="Example: latentwatch alerts list --status open",
)

app.command(
    epilog="Example: latentwatch alerts missed press --from 2026-11-10T02:10 --to 2026-11-10T02:40 --cause bearing"
)(missed)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Author = Annotated[str, typer.Option(envvar="USER", help="Who says so.")]


_SELDOM = ("seen before", "at stake", "verdict", "assignee")


@app.command("list", epilog="Example: latentwatch alerts list --monitor pump --status open --order likeness")
def list_alerts(
    monitor: Annotated[str | None, typer.Option(help="Only this monitor's.")] = None,
    status: Annotated[
        str | None, typer.Option(help="Only open, acknowledged, snoozed, silenced or closed ones.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    order: Annotated[
        str,
        typer.Option(
            help="recent (by their last record), severity, stake (by the monitors' weight), teaching (what a label teaches most about), "
            "or likeness: those of one kind together."
        ),
    ] = "recent",
    as_json: AsJson = False,
) -> None:
    """List alerts, those with the latest record first unless told otherwise."""
    from dataclasses import asdict

    from latentwatch.console import print_json, print_table
    from latentwatch.domain.alert import AlertKind
    from latentwatch.inbox import kinds_in_words, listed_alerts

    found = listed_alerts(monitor, status, limit, order)
    kinds = kinds_in_words(found)
    if as_json:
        print_json([asdict(alert) | {"kind_in_words": kinds.get(alert.id, "")} for alert in found])
        return
    rows = [
        (
            alert.id,
            alert.monitor,
            alert.entity,
            alert.severity,
            alert.status,
            alert.started,
            alert.ended,
            alert.records,
            "" if alert.kind is not AlertKind.ANOMALY else f"{alert.peak_surprise:.1f}",
            alert.kind.in_words
            if alert.kind is not AlertKind.ANOMALY
            else ("new normal? " if alert.asks else "") + ", ".join(alert.features),
            kinds.get(alert.id, ""),
            alert.at_stake_in_words,
            alert.verdict,
            alert.assignee,
        )
        for alert in found
    ]
    headers = (
        "alert",
        "monitor",
        "entity",
        "severity",
        "status",
        "started",
        "last record",
        "records",
        "peak",
        "features",
        "seen before",
        "at stake",
        "verdict",
        "assignee",
    )
    # A terminal has no room for columns that say nothing of any alert.
    shown = [place for place, name in enumerate(headers) if name not in _SELDOM or any(row[place] for row in rows)]
    print_table([headers[place] for place in shown], [[row[place] for place in shown] for row in rows], "No alert.")


@app.command(epilog="Example: latentwatch alerts show 12")
def show(
    alert: Annotated[int, typer.Argument(metavar="ALERT", help="The alert's number.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Show what happened over an alert's whole course: its moments, and what each feature did."""
    from latentwatch.alert_showing import show_alert

    show_alert(alert, as_json=as_json)


@app.command(epilog="Example: latentwatch alerts label 12 13 true --cause 'valve 3 stuck'")
def label(
    alerts: Annotated[list[int], typer.Argument(metavar="ALERT...", help="The alerts' numbers.", show_default=False)],
    verdict: Annotated[str, typer.Argument(metavar="VERDICT", help="true, false or unsure.", show_default=False)],
    author: Author = "",
    cause: Annotated[str, typer.Option(help="What it was.")] = "",
    note: Annotated[str, typer.Option(help="Anything worth keeping.")] = "",
) -> None:
    """Say whether alerts were real, all or none; training leaves confirmed anomalies out."""
    from latentwatch.inbox import label_alerts

    label_alerts(alerts, verdict, author, cause, note)
    for alert in alerts:
        typer.echo(f"alert {alert}: labelled {verdict}")


@app.command(epilog="Example: latentwatch alerts precision --monitor press --weeks 4")
def precision(
    monitor: Annotated[str | None, typer.Option(help="Only this monitor's.")] = None,
    weeks: Annotated[int, typer.Option(min=1, max=104, help="Of alerts that began in the last weeks.")] = 12,
    as_json: AsJson = False,
) -> None:
    """Say how many of the alerts that people judged were real: by week, by reviewer, by cause."""
    from dataclasses import asdict

    from latentwatch.console import print_json, print_table, say
    from latentwatch.inbox import precision_of

    found = precision_of(monitor, weeks)
    if as_json:
        kinds = {"weeks": found.weeks, "reviewers": found.reviewers, "causes": found.causes}
        each = {
            kind: [asdict(one) | {"precision": one.precision} for one in tallies] for kind, tallies in kinds.items()
        }
        print_json(asdict(found) | each | {"precision": found.total.precision, "recall": found.recall})
        return
    for title, tallies in (("week of", found.weeks), ("reviewer", found.reviewers), ("cause", found.causes)):
        rows = [
            (
                one.name or "none named",
                "" if one.precision is None else f"{one.precision:.0%}",
                one.confirmed, one.false, one.unsure, one.unlabelled,
            )
            for one in tallies
            if one.alerts
        ]  # fmt: skip
        if rows:
            print_table((title, "precision", "true", "false", "unsure", "not labelled"), rows, "")
            typer.echo("")
    say(found.in_words)


add_handling(app, "alert")


@app.command(epilog="Example: latentwatch alerts accept 12 --note 'bigger pump'")
def accept(
    alert: Annotated[int, typer.Argument(metavar="ALERT", help="The alert's number.", show_default=False)],
    author: Author = "",
    note: Annotated[str, typer.Option(help="Why.")] = "",
) -> None:
    """Say that a lasting change is the new normal: its records are normal from now on, and the next model learns them."""
    from latentwatch.inbox import answer_alert

    typer.echo(answer_alert(alert, "accept", author, note))


@app.command(epilog="Example: latentwatch alerts keep 12")
def keep(
    alert: Annotated[int, typer.Argument(metavar="ALERT", help="The alert's number.", show_default=False)],
    author: Author = "",
    note: Annotated[str, typer.Option(help="Why.")] = "",
) -> None:
    """Say that a lasting change is no new normal, and is to go on alarming."""
    from latentwatch.inbox import answer_alert

    typer.echo(answer_alert(alert, "keep", author, note))


@app.command(epilog="Example: latentwatch alerts whatif 12 --reading vibration=1.1")
def whatif(
    alert: Annotated[int, typer.Argument(metavar="ALERT", help="The alert's number.", show_default=False)],
    reading: Annotated[
        list[str] | None,
        typer.Option(metavar="FEATURE=VALUE", help="Try this reading instead of asking; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what would have calmed an alert: the fewest features that, as expected given the others, leave none."""
    from dataclasses import asdict

    from latentwatch.console import print_json
    from latentwatch.whatif import calmed

    found = calmed(alert, reading or [])
    if as_json:
        print_json(asdict(found))
        return
    typer.echo(found.in_words)


@app.command(epilog="Example: latentwatch alerts similar 12")
def similar(
    alert: Annotated[int, typer.Argument(metavar="ALERT", help="The alert's number.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """List the alerts most like one, of any entity, and what people said of them."""
    from dataclasses import asdict

    from latentwatch.console import print_json, print_table
    from latentwatch.inbox import asked_database
    from latentwatch.review.likeness import Likenesses, seen_before

    found = seen_before(asked_database(), Likenesses(), alert)
    if as_json:
        print_json(asdict(found))
        return
    typer.echo(found.in_words)
    rows = [
        (
            one.alert.id,
            one.alert.entity,
            one.alert.started,
            f"{one.likeness:.2f}",
            ", ".join(one.alert.features[:2]),
            one.alert.verdict,
            one.label.cause if one.label else "",
        )
        for one in found.similar
    ]
    if rows:
        print_table(("alert", "entity", "started", "likeness", "features", "verdict", "cause"), rows, "")


@app.command(epilog="Example: latentwatch alerts compare 12 14")
def compare(
    first: Annotated[int, typer.Argument(metavar="ALERT", help="An alert's number.", show_default=False)],
    second: Annotated[int, typer.Argument(metavar="ALERT", help="Another one's.", show_default=False)],
    incidents: Annotated[
        bool, typer.Option("--incidents", help="The numbers are incidents'; the strangest alert of each is compared.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare two alerts: what each was about, how they differ, and which way it is from one to the other."""
    from dataclasses import asdict

    from latentwatch.console import print_json, print_table
    from latentwatch.domain.percent import percent
    from latentwatch.inbox import asked_database
    from latentwatch.review import comparing
    from latentwatch.review.words import number

    engine = asked_database()
    if incidents:
        first, second = (comparing.loudest_alert(engine, each) for each in (first, second))
    found = comparing.compare(engine, first, second)
    if as_json:
        print_json(asdict(found))
        return
    for sentence in found.in_words:
        typer.echo(sentence)
    rows = [
        (
            each.feature,
            *map(percent, each.shares),
            *(f"{number(each.actual[place])} ({number(each.expected[place])})" for place in (0, 1)),
            "" if each.direction is None else f"{each.direction:+.4g} {each.unit}".rstrip(),
        )
        for each in found.features
    ]
    print_table(("feature", f"of {first}", f"of {second}", "showed (expected)", "", "further off by"), rows, "")
