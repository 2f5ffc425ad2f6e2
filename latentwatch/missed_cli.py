"""`latentwatch alerts missed`: what was abnormal and never alarmed."""

from typing import Annotated

import typer


def missed(
    monitor: Annotated[
        str, typer.Argument(metavar="MONITOR", help="The monitor's name, or its file.", show_default=False)
    ],
    since: Annotated[str | None, typer.Option("--from", help="When it began, in event time.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="When it was over.")] = None,
    entity: Annotated[str, typer.Option(help="Whose records; of a monitor without entities nobody's.")] = "",
    cause: Annotated[str, typer.Option(help="What it was.")] = "",
    note: Annotated[str, typer.Option(help="Anything worth keeping.")] = "",
    author: Annotated[str, typer.Option(envvar="USER", help="Who says so.")] = "",
    remove: Annotated[int | None, typer.Option(help="Take the word about a stretch back, by its number.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Say that a stretch was abnormal although nothing alarmed: it leaves training. Without --from, list such stretches."""
    from dataclasses import asdict

    from latentwatch.console import print_json, print_table, say
    from latentwatch.missed import forget_missed, list_missed, say_missed

    if remove is not None:
        forget_missed(remove)
        say(f"stretch {remove} is learned from again")
    elif since is not None or until is not None:
        made = say_missed(monitor, since, until, entity, cause, note, author)
        if as_json:
            print_json(asdict(made))
        else:
            say(f"stretch {made.id}: {made.start:%Y-%m-%d %H:%M} to {made.end:%Y-%m-%d %H:%M} stays out of training")
    else:
        found = list_missed(monitor)
        if as_json:
            print_json([asdict(each) for each in found])
            return
        rows = [(each.id, each.entity, each.start, each.end, each.cause, each.note, each.author) for each in found]
        print_table(("id", "entity", "from", "to", "cause", "note", "author"), rows, "Nothing is known to be missed.")
