"""What both `latentwatch alerts` and `latentwatch incidents` do: acknowledge, snooze, assign, comment, close, reopen, undo."""

from typing import Annotated

import typer

Author = Annotated[str, typer.Option(envvar="USER", help="Who says so.")]
Note = Annotated[str, typer.Option(help="Why, for the history.")]


def add_handling(app: typer.Typer, noun: str) -> None:
    """Give `app` these commands, about alerts or about incidents: `noun` is one of them."""
    numbers = Annotated[
        list[int], typer.Argument(metavar=f"{noun.upper()}...", help=f"The {noun}s' numbers.", show_default=False)
    ]
    said = f"Example: latentwatch {noun}s"

    def act(chosen: list[int], action: str, author: str, note: str = "", until: str = "", assignee: str = "") -> None:
        from latentwatch.handling import handle

        typer.echo(handle(noun, chosen, action, author, note, until, assignee))

    @app.command(help=f"Say that somebody is looking at {noun}s.", epilog=f"{said} acknowledge 12 13")
    def acknowledge(chosen: numbers, author: Author = "", note: Note = "") -> None:
        act(chosen, "acknowledge", author, note)

    @app.command(
        help=f"Put {noun}s off: out of the inbox and quiet for a while, or until they are over; critical ones come back.",
        epilog=f"Examples: {said[9:]} snooze 12 --for 4h · {said[9:]} snooze 12 --until 2026-03-02T08:00 · {said[9:]} snooze 12",
    )
    def snooze(
        chosen: numbers,
        length: Annotated[str, typer.Option("--for", metavar="LENGTH", help="How long: 30m, 4h, 2d.")] = "",
        until: Annotated[
            str, typer.Option(metavar="TIME", help="Until when, by this machine's clock unless it has an offset.")
        ] = "",
        author: Author = "",
        note: Note = "",
    ) -> None:
        from latentwatch.handling import ends_of_snooze

        act(chosen, "snooze", author, note, ends_of_snooze(length, until))

    @app.command(help=f"Say who takes care of {noun}s.", epilog=f"{said} assign 12 13 --to ada")
    def assign(
        chosen: numbers,
        to: Annotated[str, typer.Option("--to", help="Whom; empty for nobody.")],
        author: Author = "",
        note: Note = "",
    ) -> None:
        act(chosen, "assign", author, note, assignee=to)

    @app.command(
        help=f"Write something into the history of {noun}s, where it stays.",
        epilog=f"{said} comment 12 'pump 3 is swapped, see the log book'",
    )
    def comment(
        chosen: numbers,
        text: Annotated[str, typer.Argument(metavar="TEXT", help="What to write.", show_default=False)],
        author: Author = "",
    ) -> None:
        act(chosen, "comment", author, text)

    @app.command(help=f"Put {noun}s away without a verdict.", epilog=f"{said} close 12 13")
    def close(chosen: numbers, author: Author = "", note: Note = "") -> None:
        act(chosen, "close", author, note)

    @app.command(help=f"Bring {noun}s back into the inbox; labels stay.", epilog=f"{said} reopen 12")
    def reopen(chosen: numbers, author: Author = "", note: Note = "") -> None:
        act(chosen, "reopen", author, note)

    @app.command(help="Take an action back; what somebody changed since stays as it is.", epilog=f"{said} undo 7")
    def undo(
        action: Annotated[int, typer.Argument(metavar="ACTION", help="As the action said it.", show_default=False)],
        author: Author = "",
    ) -> None:
        from latentwatch.handling import take_back

        done = take_back(action, author)
        count = len(done.changed)
        typer.echo(f"action {action}: taken back, {count} {'alert is' if count == 1 else 'alerts are'} as before")
