"""Commands that look further than one alert, each in a file of its own."""

import typer

from latentwatch.segments_cli import segments


def add_explorer(app: typer.Typer) -> None:
    """Register them."""
    app.command(
        epilog="Examples: latentwatch segments plant --days 7; latentwatch segments plant --propose entity=rig-2"
    )(segments)
