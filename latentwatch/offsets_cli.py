"""`latentwatch offsets`: where a monitor's stream stands, and moving it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="Show where a monitor's stream stands, or move it to read again or to skip.",
    epilog="Example: latentwatch offsets show pump",
)

Name = Annotated[str, typer.Argument(metavar="MONITOR", help="The monitor's name.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


@app.command(epilog="Example: latentwatch offsets show pump")
def show(monitor: Name, as_json: AsJson = False) -> None:
    """Show every partition: where it stands, what the topic holds, and how far behind that is."""
    from dataclasses import asdict

    from latentwatch.alerts.monitors import registered_monitor
    from latentwatch.console import print_json, print_table, say
    from latentwatch.offsets import reachable_topic, standing

    with _database() as (engine, settings):
        watched = registered_monitor(engine, monitor)
        now, away = reachable_topic(watched, settings)
        found = standing(engine, watched, now)
    if as_json:
        print_json(
            {"monitor": monitor, "topic_id": now.topic_id if now else None, "partitions": [asdict(p) for p in found]}
        )
        return
    if away:
        say(f"what the topic holds is not known: {away}")
    rows = [(p.stream, p.partition, p.next_offset, p.first, p.end, p.behind, p.topic_id, p.updated) for p in found]
    headers = ("stream", "partition", "stands at", "first", "end", "behind", "topic id", "moved")
    print_table(headers, rows, f"{monitor} has not read anything yet.")
    if any(not partition.current for partition in found):
        say("a stream whose topic was deleted and made anew is not read any more; its results stay")


@app.command(epilog="Example: latentwatch offsets reset pump --to 2026-01-31T12:00:00Z")
def reset(
    monitor: Name,
    to: Annotated[
        str,
        typer.Option(
            metavar="earliest|latest|TIME", help="Where to go on: a time is that of a record's arrival, in UTC."
        ),
    ] = "earliest",
    partition: Annotated[list[int] | None, typer.Option(help="Only this partition. May be repeated.")] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it without asking; without a terminal nothing is done else.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what will be scored again or skipped, ask, and move the stream; scorers may run meanwhile."""
    from latentwatch.console import print_json, say
    from latentwatch.offsets import carry_out, plan_reset

    with _database() as (engine, settings):
        planned = plan_reset(engine, monitor, settings, to, partition)
        if not as_json:
            _tell(planned)
        wanted = yes or (not as_json and sys.stdin.isatty() and typer.confirm("Move the offsets?", err=True))
        done = carry_out(engine, planned) if wanted else planned
    if as_json:
        print_json(_facts(done) | {"done": wanted})
    elif wanted:
        say("moved; running scorers go on from there within a few seconds, entities warm up anew")
    else:
        say("nothing was changed; --yes does it")


def _tell(planned: Any) -> None:
    from latentwatch.console import print_table, say

    rows = [(planned.stream, m.partition, m.before, m.after, m.scored_again, m.skipped) for m in planned.moves]
    print_table(("stream", "partition", "stands at", "goes to", "scored again", "skipped"), rows, "No partitions.")
    if any(move.scored_again for move in planned.moves):
        say(
            "what is scored again: records that were flagged stay as they are and are not doubled, and neither are dead"
            " letters; the counts by minute count them again; a model promoted since may flag others"
        )
    if any(move.skipped for move in planned.moves):
        say("what is skipped is never scored")


def _facts(planned: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(planned)


@contextmanager
def _database() -> Iterator[tuple[Any, Any]]:
    from latentwatch.settings import load_settings
    from latentwatch.wiring import ASKING_SECONDS, ready_database

    settings = load_settings()
    engine = ready_database(settings, patience_seconds=ASKING_SECONDS)
    try:
        yield engine, settings
    finally:
        engine.dispose()
