"""Commands that look further than one alert, each in a file of its own."""

import typer

from latentwatch.segments_cli import segments
from latentwatch.synthesize_cli import synthesize


def add_explorer(app: typer.Typer) -> None:
    """Register them."""
    app.command(
        epilog="Examples: latentwatch segments plant --days 7; latentwatch segments plant --propose entity=rig-2"
    )(segments)
    app.command(
        epilog="Examples: latentwatch synthesize plant.yaml -n 10000 -o normal.parquet;"
        " latentwatch synthesize plant.yaml -o leak.parquet --fault leak --entity rig-2"
    )(synthesize)
