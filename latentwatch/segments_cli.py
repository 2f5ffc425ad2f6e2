"""`latentwatch segments`: is the promise kept for every entity, hour and field alike?"""

from typing import Annotated

import typer


def segments(
    monitor: Annotated[
        str, typer.Argument(metavar="MONITOR", help="The monitor's name, or its file.", show_default=False)
    ],
    days: Annotated[int, typer.Option(min=1, max=400, help="Of so many days of event time, to now.")] = 30,
    everything: Annotated[
        bool, typer.Option("--all", help="Every group, also those that are as they should be.")
    ] = False,
    propose: Annotated[
        str | None,
        typer.Option(
            metavar="GROUP",
            help="Propose a threshold of its own for a group that is off the promise: entity=rig-2, hour=07 or FIELD=VALUE.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Compare promised with realised alarms by entity, hour and field, corrected for so many comparisons."""
    from latentwatch.console import print_json, print_table, say
    from latentwatch.domain.percent import percent
    from latentwatch.segments import facts_of, proposed_threshold, segments_of

    if propose is not None:
        made = proposed_threshold(monitor, propose, days)
        if as_json:
            print_json(facts_of(made))
            return
        typer.echo(made.in_words)
        say(f"accept it with: latentwatch exceptions add {monitor} --proposal {made.id} --note WHY")
        return
    found = segments_of(monitor, days)
    if as_json:
        print_json(facts_of(found) | {"segments": [facts_of(each) for each in found.segments]})
        return
    shown = [each for each in found.segments if everything or each.in_words]
    rows = [
        (
            each.group.field or each.group.by.value,
            each.group.value,
            each.scored,
            each.alarms,
            percent(each.share),
            f"{percent(each.interval[0])} to {percent(each.interval[1])}",
            percent(each.others),
            f"{each.p_others:.2g}" + (" !" if each.apart else ""),
            f"{each.p_promise:.2g}" + (" !" if each.off else ""),
            f"{each.shift:+.1f}" if each.shift else "",
        )
        for each in shown
    ]
    headers = ("by", "group", "records", "alarms", "share", "95 %", "others", "p others", "p promise", "threshold")
    if rows:
        print_table(headers, rows, "")
    say(found.in_words)
