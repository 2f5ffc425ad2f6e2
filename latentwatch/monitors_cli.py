"""`latentwatch monitors`: which monitors the database knows, and renaming or removing one."""

import sys
from typing import Annotated, Any

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="List the monitors that the database knows, rename one, or remove it.",
    epilog="Example: latentwatch monitors list",
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


@app.command("list", epilog="Example: latentwatch monitors list --json")
def list_monitors(as_json: AsJson = False) -> None:
    """List monitors: stream, versions, the last sign of life, open alerts."""
    from dataclasses import asdict

    from latentwatch.alerts.monitor_upkeep import monitor_summaries
    from latentwatch.console import print_json, print_table, say

    found = monitor_summaries(_database(), _now())
    if as_json:
        print_json([asdict(one) for one in found])
        return
    rows = [
        (
            one.name,
            one.source,
            one.versions,
            one.serving,
            one.partitions,
            one.last_commit,
            one.scorer_seen,
            "runs" if one.alive else "orphaned" if one.orphaned else "",
            one.open_alerts,
        )
        for one in found
    ]
    headers = ("monitor", "reads", "versions", "serving", "partitions", "last commit", "scorer seen", "scorer", "open")
    print_table(headers, rows, "No monitor yet; train one with 'latentwatch train'.")
    for one in found:
        if one.orphaned:
            say(
                f"{one.name} showed no sign of life for a week: start 'latentwatch score', "
                f"or 'latentwatch monitors remove {one.name}'"
            )


@app.command(epilog="Example: latentwatch monitors compare plant rig-1 rig-2")
def compare(
    monitor: Annotated[str, typer.Argument(metavar="MONITOR", help="The monitor's name.", show_default=False)],
    first: Annotated[str, typer.Argument(metavar="ENTITY", help="An entity.", show_default=False)],
    second: Annotated[str, typer.Argument(metavar="ENTITY", help="Another one.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Put two entities' normal side by side: what each usually shows."""
    from dataclasses import asdict

    from latentwatch.comparing import normals_of
    from latentwatch.console import print_json, print_table
    from latentwatch.domain.percent import percent
    from latentwatch.review.words import number

    found = normals_of(monitor, first, second)
    if as_json:
        print_json(asdict(found))
        return
    typer.echo(found.in_words)
    rows = [
        (
            one.feature,
            *(
                f"{number(one.usual[place])} ({number(one.low[place])} to {number(one.high[place])})"
                for place in (0, 1)
            ),
            one.unit,
            f"{one.apart:+.1f}",
        )
        for one in found.numbers
    ]
    rows += [
        (f"{one.feature} {word}", percent(shares[0]), percent(shares[1]), "", "")
        for one in found.words
        for word, shares in one.shares.items()
    ]
    print_table(("feature", first, second, "unit", "apart, in spreads"), rows, "")


@app.command(epilog="Example: latentwatch monitors rename pump pump-north")
def rename(
    old: Annotated[str, typer.Argument(metavar="OLD", help="Its name now.", show_default=False)],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its name from now on.", show_default=False)],
    force: Annotated[bool, typer.Option("--force", help="Even where a scorer was heard of just now.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give a monitor another name, with its models, alerts, positions and all else; stop its scorers before."""
    from latentwatch.alerts.monitor_upkeep import rename_monitor
    from latentwatch.console import print_json, say

    changed = rename_monitor(_database(), old, new, _now(), force=force)
    if as_json:
        print_json({"old": old, "new": new, "rows": changed})
        return
    typer.echo(f"{old} is called {new} now: {sum(changed.values()):,} rows")
    say(
        f"change it in the monitor's YAML file too, to 'name: {new}', before a scorer or a retraining starts: "
        f"under the name {old} it would begin anew"
    )


@app.command(epilog="Example: latentwatch monitors remove pump")
def remove(
    name: Annotated[str, typer.Argument(metavar="MONITOR", help="The monitor's name.", show_default=False)],
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it without asking; without a terminal nothing is done else.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show how many rows go, ask, and delete all that the database has of a monitor; stop its scorers before."""
    from latentwatch.alerts.monitor_upkeep import remove_monitor, rows_of_monitor
    from latentwatch.console import print_json, print_table, say

    engine = _database()
    rows = rows_of_monitor(engine, name)
    if not as_json:
        print_table(("table", "rows"), [(table, f"{count:,}") for table, count in rows.items()], "No rows.")
        say("people's labels go with it; bundles stay in their store, other monitors may share them")
    wanted = yes or (not as_json and sys.stdin.isatty() and typer.confirm(f"Remove {name}?", err=True))
    if wanted:
        rows = remove_monitor(engine, name, _now(), lambda table, deleted: say(f"{table}: {deleted:,} rows deleted"))
    if as_json:
        print_json({"monitor": name, "rows": rows, "done": wanted})
    elif wanted:
        say(f"{name} is removed; whatever still runs or retrains with its YAML file would begin it anew")
    else:
        say("nothing was changed; --yes does it")


def _now() -> Any:
    from latentwatch.domain.clock import SystemClock

    return SystemClock().now()


def _database() -> Any:
    from latentwatch.settings import load_settings
    from latentwatch.wiring import ASKING_SECONDS, ready_database

    return ready_database(load_settings(), patience_seconds=ASKING_SECONDS)
