"""`latentwatch sessions`: who is logged in to the review app, and how to end that."""

from typing import Annotated, Any

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="List who is logged in to the review app, and log them out.",
    epilog="Example: latentwatch sessions list",
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


@app.command("list", epilog="Example: latentwatch sessions list --json")
def list_sessions(as_json: AsJson = False) -> None:
    """List the browsers that are logged in, the one used last first."""
    from dataclasses import asdict

    from latentwatch.alerts.login_sessions import logins
    from latentwatch.console import print_json, print_table
    from latentwatch.domain.clock import SystemClock

    found = logins(_database(), SystemClock().now())
    if as_json:
        print_json([asdict(one) for one in found])
        return
    rows = [(one.id, one.address, one.created, one.seen, one.expires, one.browser) for one in found]
    headers = ("session", "address", "since", "last seen", "until", "browser")
    print_table(headers, rows, "Nobody is logged in.")


@app.command(epilog="Example: latentwatch sessions revoke 12 · or everybody: latentwatch sessions revoke --all")
def revoke(
    sessions: Annotated[
        list[int] | None, typer.Argument(metavar="SESSION...", help="Their numbers.", show_default=False)
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Log everybody out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Log browsers out: their next request needs the password again, a page that is open ends within a minute."""
    from latentwatch.alerts.login_sessions import revoke_logins
    from latentwatch.console import print_json
    from latentwatch.domain.errors import InvalidInput

    if bool(sessions) == all_:
        raise InvalidInput("sessions revoke: give the numbers of sessions, or --all")
    ended = revoke_logins(_database(), None if all_ else sessions)
    if as_json:
        print_json({"revoked": ended})
    else:
        typer.echo(f"{ended} session{'s' * (ended != 1)} ended")


def _database() -> Any:
    from latentwatch.settings import load_settings
    from latentwatch.wiring import ASKING_SECONDS, ready_database

    return ready_database(load_settings(), patience_seconds=ASKING_SECONDS)
