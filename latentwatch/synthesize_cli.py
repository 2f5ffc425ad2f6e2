"""`latentwatch synthesize`: records that were made, not recorded."""

from pathlib import Path
from typing import Annotated

import typer


def synthesize(
    monitor: Annotated[Path, typer.Argument(metavar="MONITOR.yaml", help="The monitor.", show_default=False)],
    output: Annotated[str, typer.Option("--output", "-o", help="A .parquet or .csv file.")],
    records: Annotated[int, typer.Option("-n", min=1, help="How many records, over all entities.")] = 10_000,
    fault: Annotated[
        str, typer.Option(metavar="CAUSE", help="Put upon a stretch what a known incident of this cause did.")
    ] = "",
    entity: Annotated[str, typer.Option(help="Whose records get the fault; by default the first one's.")] = "",
    onto: Annotated[str, typer.Option(metavar="FILE", help="Put the fault upon these real records instead.")] = "",
    history: Annotated[
        list[str] | None, typer.Option(help="What to learn from; by default the monitor's own history.")
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Write also what a classifier tells from real records.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other records.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Make normal records like the monitor's, to test it, to share without sharing data, or to rehearse an incident."""
    from dataclasses import asdict

    from latentwatch.console import print_json, progress_bars, say
    from latentwatch.domain.percent import percent
    from latentwatch.synthesizing import Wanted, synthesize

    wanted = Wanted(records, output, fault, entity, onto, tuple(history or ()), anyway, seed)
    with progress_bars() as progress:
        made = synthesize(monitor, wanted, progress)
    if as_json:
        print_json(asdict(made))
        return
    say(
        f"wrote {made.records:,} records to {made.output}, drawn from a {made.kind} model"
        if made.auc is not None
        else f"wrote {made.records:,} real records to {made.output}"
    )
    if made.auc is not None and made.nearest is not None:
        say(
            f"told from real ones with an AUC of {made.auc:.2f} (0.5: not at all); {made.nearest:.2f} times as far from the"
            " nearest real record as real ones are"
        )
    if made.fault:
        say(f"{made.fault_records:,} of them shifted by what alert {made.fault_alert} ({made.fault}) did")
    say(
        f"version {made.version} flags {percent(made.flagged)} of them; {percent(made.promised)} promised of normal ones"
    )
