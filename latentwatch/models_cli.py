"""`latentwatch models`: which model is watching, since when, and why it was let in."""

from pathlib import Path
from typing import Annotated, Any

import typer

from latentwatch.domain.percent import percent

app = typer.Typer(
    no_args_is_help=True,
    help="List model versions, show why one was let in, let another one serve.",
    epilog="Example: latentwatch models list pump",
)

Name = Annotated[str, typer.Argument(metavar="MONITOR", help="The monitor's name.", show_default=False)]
Number = Annotated[int, typer.Argument(metavar="VERSION", help="The version's number.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


@app.command("list", epilog="Example: latentwatch models list pump")
def list_versions(
    monitor: Annotated[
        str | None, typer.Argument(metavar="MONITOR", help="Only this monitor's.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List model versions, newest first."""
    from latentwatch.console import print_json, print_table

    versions = _registry().versions(monitor)
    if as_json:
        print_json([_facts(version) for version in versions])
        return
    rows = [
        (
            version.monitor,
            version.version,
            version.status,
            version.kind,
            version.created,
            version.promoted,
            version.trained_records,
            _percent(version.evaluation.realised_rate if version.evaluation else None),
            _percent(version.evaluation.promised_rate if version.evaluation else None),
            version.bundle[:12],
        )
        for version in versions
    ]
    headers = ("monitor", "v", "status", "kind", "created", "promoted", "records", "realised", "promised", "bundle")
    whose = "" if monitor is None else f" of {monitor!r}"
    print_table(headers, rows, f"No model{whose} yet; train one with 'latentwatch train'.")


@app.command(epilog="Example: latentwatch models show pump 3")
def show(
    monitor: Name,
    version: Number,
    as_json: AsJson = False,
) -> None:
    """Show one version: its evaluation and the judge's reasons."""
    from latentwatch.console import print_json

    found = _registry().version(monitor, version)
    if as_json:
        print_json(_facts(found))
        return
    typer.echo(f"{monitor} version {found.version}, {found.status.value}, bundle {found.bundle}")
    span = f", {found.history_start} to {found.history_end}" if found.history_start else ""
    typer.echo(f"trained on {found.trained_records:,} records{span}")
    for reason in found.reasons:
        typer.echo(f"- {reason}")
    for fault, share in sorted((found.evaluation.recall_by_fault if found.evaluation else {}).items()):
        typer.echo(f"  planted {fault}: {percent(share)} found")


@app.command(epilog="Example: latentwatch models rollback pump")
def rollback(monitor: Name, as_json: AsJson = False) -> None:
    """Let the former champion serve again; running scorers take it up between two batches. 'promote' undoes it."""
    version = _registry().rollback(monitor)
    _tell(version, as_json, f"{monitor}: version {version.version} serves again")


@app.command(epilog="Example: latentwatch models promote pump 3")
def promote(monitor: Name, version: Number, as_json: AsJson = False) -> None:
    """Let a version serve, whatever the judge said of it; running scorers take it up between two batches."""
    promoted = _registry().promote(monitor, version, "promoted by hand")
    _tell(promoted, as_json, f"{monitor}: version {promoted.version} serves")


@app.command(epilog="Example: latentwatch models restore pump 3")
def restore(monitor: Name, version: Number, as_json: AsJson = False) -> None:
    """Take the refusal of a version back, once its bundle is whole again; it serves at once where no other does."""
    restored = _registry().restore(monitor, version, "refusal taken back by hand")
    then = "serves again" if restored.status.value == "champion" else "may be promoted again"
    _tell(restored, as_json, f"{monitor}: version {restored.version} {then}")


@app.command(epilog="Example: latentwatch models compare pump 2 3 --alert 12")
def compare(
    monitor: Name,
    version: Number,
    other: Annotated[int, typer.Argument(metavar="VERSION", help="Another one's.", show_default=False)],
    alert: Annotated[int | None, typer.Option(help="On the records that were kept of this alert.")] = None,
    entity: Annotated[str | None, typer.Option(help="On the latest sampled records of this entity.")] = None,
    as_json: AsJson = False,
) -> None:
    """Score the same stretch with two versions: what would each have raised?"""
    from dataclasses import asdict

    from latentwatch.comparing import versions_on
    from latentwatch.console import print_json, print_table

    found = versions_on(monitor, (version, other), alert, entity)
    if as_json:
        print_json(asdict(found))
        return
    for sentence in found.in_words:
        typer.echo(sentence)
    rows = [
        (side.version, one.started, one.ended, f"{one.peak:.1f}")
        for side in (found.first, found.second)
        for one in side.raised
    ]
    if rows:
        print_table(("version", "from", "to", "strangest"), rows, "")


@app.command(epilog="Example: latentwatch models add monitors/pump.yaml pump-estimator --holdout normal.csv")
def add(
    monitor: Annotated[Path, typer.Argument(metavar="MONITOR.yaml", help="The monitor's file.", show_default=False)],
    saved: Annotated[
        str, typer.Argument(metavar="SAVED", help="What an estimator's 'save' wrote, or a bundle.", show_default=False)
    ],
    holdout: Annotated[
        list[str] | None,
        typer.Option("--holdout", metavar="FILE", help="Normal records it did not learn from, to judge it by; repeat."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make an estimator from a notebook a version of a monitor: a candidate, or, with --holdout, judged at once."""
    from latentwatch import LatentDetector, add_version

    added = add_version(LatentDetector.load(saved), monitor, holdout or ())
    for reason in () if as_json else added.reasons:
        typer.echo(f"- {reason}")
    then = {
        "candidate": f"waits; 'latentwatch models promote {added.monitor} {added.version}' has it serve",
        "champion": "serves",
    }
    _tell(added, as_json, f"{added.monitor}: version {added.version} {then.get(added.status.value, 'is held')}")


def _tell(version: Any, as_json: bool, sentence: str) -> None:
    from latentwatch.console import print_json

    if as_json:
        print_json(_facts(version))
    else:
        typer.echo(sentence)


def _registry() -> Any:
    from latentwatch.alerts.registry import ModelRegistry
    from latentwatch.settings import load_settings
    from latentwatch.wiring import ASKING_SECONDS, ready_database

    return ModelRegistry(ready_database(load_settings(), patience_seconds=ASKING_SECONDS))


def _facts(version: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(version)


def _percent(rate: float | None) -> str:
    return "" if rate is None else percent(rate)
