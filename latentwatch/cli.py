"""The command line: what each command is called, what it takes, and an example; the work is done elsewhere.

Heavy imports stay inside the commands, so that `--help` and shell completion answer at once. An error of
`latentwatch.domain.errors` ends a command with its message and its exit code, without a traceback.
"""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from latentwatch.alerts_cli import app as alerts_app
from latentwatch.database_cli import app as database_app
from latentwatch.domain.errors import InvalidInput, LatentwatchError
from latentwatch.exceptions_cli import app as exceptions_app
from latentwatch.explorer_cli import add_explorer
from latentwatch.incidents_cli import app as incidents_app
from latentwatch.models_cli import app as models_app
from latentwatch.monitors_cli import app as monitors_app
from latentwatch.offsets_cli import app as offsets_app
from latentwatch.sessions_cli import app as sessions_app
from latentwatch.silences_cli import app as silences_app
from latentwatch.usage import AdvisingGroup

app = typer.Typer(
    name="latentwatch",
    cls=AdvisingGroup,
    help="Learns what normal looks like in a stream, and says, with a false-alarm rate you chose, when a record is not.",
    epilog="Start here: latentwatch demo · or with your own data: latentwatch init DATA.csv -o monitor.yaml",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(models_app, name="models")
app.add_typer(monitors_app, name="monitors")
app.add_typer(alerts_app, name="alerts")
app.add_typer(silences_app, name="silences")
app.add_typer(incidents_app, name="incidents")
app.add_typer(exceptions_app, name="exceptions")
app.add_typer(offsets_app, name="offsets")
app.add_typer(sessions_app, name="sessions")
app.add_typer(database_app, name="database")

MonitorFile = Annotated[Path, typer.Argument(metavar="MONITOR.yaml", help="The monitor file.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object for scripts.")]
AcceptBlind = Annotated[
    bool, typer.Option("--accept-blind", help="Let a first model in even where it finds next to nothing.")
]
Anyway = Annotated[
    bool, typer.Option("--anyway", help="Train also where the model that serves learned from the very same.")
]
Histories = Annotated[
    list[str] | None,
    typer.Option(
        "--history",
        metavar="DATA",
        help="Normal records: CSV, JSONL or Parquet; a path, folder or glob. May be repeated.",
    ),
]


class Engine(StrEnum):
    """What does the work."""

    LOCAL = "local"
    SPARK = "spark"


_EXTRAS = {
    "torch": "train",
    **dict.fromkeys(("fastapi", "nicegui", "uvicorn"), "review"),
    "apprise": "notify",
    "psycopg": "postgres",
    "fastavro": "avro",
    "httpx": "avro",
    "confluent_kafka": "confluent",
    "mlflow": "mlflow",
    "pyspark": "spark",
}
"""Parts that not every environment has, and the extra that brings each."""


def main(arguments: list[str] | None = None) -> None:
    """Run a command and leave with its exit code."""
    try:
        app(arguments)
    except LatentwatchError as error:
        sys.stderr.write(f"latentwatch: {error}\n")
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        sys.stderr.write(
            f"latentwatch: {error.name} is not installed, and this command needs it; "
            f"install 'latentwatch[{extra}]', or in a checkout run 'make setup'\n"
        )
        sys.exit(InvalidInput.exit_code)
    except BrokenPipeError:  # the reader of our output has left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


def _version(wanted: bool) -> None:
    if wanted:
        from latentwatch import __version__

        typer.echo(f"latentwatch {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Shared by all commands."""
    from latentwatch.logs import log_as_lines

    log_as_lines("info")  # before the settings are read, which may say otherwise


@app.command(epilog="Example: latentwatch init pump.csv -o monitor.yaml")
def init(
    data: Annotated[str, typer.Argument(metavar="DATA", help="A sample: CSV, JSONL or Parquet.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the monitor.")] = Path("monitor.yaml"),
    name: Annotated[str | None, typer.Option(help="The monitor's name; by default the file's.")] = None,
    topic: Annotated[
        str | None, typer.Option(help="The Kafka topic that carries such records; by default the file is the source.")
    ] = None,
    time: Annotated[str | None, typer.Option(help="The field that holds the time, if the guess is wrong.")] = None,
    entity: Annotated[
        str | None, typer.Option(help="The field that names what is watched, if the guess is wrong.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=VALUE", help="Only the records that say so are the monitor's; may be repeated."),
    ] = None,
    notify: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Where alerts are sent: an Apprise address, kept in channels.yaml beside the monitor."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing monitor file.")] = False,
) -> None:
    """Write a first monitor from a sample of data, saying what was guessed and why."""
    from latentwatch.commands import init_monitor

    init_monitor(
        data, output, name=name, topic=topic, time=time, entity=entity, where=where or [], notify=notify, force=force
    )


@app.command(epilog="Example: latentwatch train monitor.yaml --history 'normal/*.csv'")
def train(
    monitor: MonitorFile,
    more: Annotated[
        list[str] | None, typer.Argument(metavar="DATA", help="More history, as a shell's glob leaves it.")
    ] = None,
    history: Histories = None,
    accept_blind: AcceptBlind = False,
    anyway: Anyway = False,
    as_json: AsJson = False,
) -> None:
    """Learn what normal looks like; register the model and, when it is judged good, let it serve."""
    from latentwatch.commands import train_monitor

    paths = [*(history or []), *(more or [])]
    train_monitor(monitor, paths, as_json=as_json, accept_blind=accept_blind, anyway=anyway)


@app.command(
    epilog="Examples: latentwatch score monitor.yaml --input new.csv --output scores.jsonl · latentwatch score monitor.yaml"
)
def score(
    monitor: MonitorFile,
    input_: Annotated[
        str | None,
        typer.Option(
            "--input",
            "-i",
            metavar="DATA",
            help="Score this file instead of the monitor's own stream; '-' reads a pipe.",
        ),
    ] = None,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="SCORES",
            help="Where one JSON object a row goes; '-' is standard output. With `late` in the monitor, decisions that a late record changes are written again; the last line of a position counts.",
        ),
    ] = "-",
    version: Annotated[int | None, typer.Option(help="Score with this model version instead of the champion.")] = None,
    format_: Annotated[
        str, typer.Option("--format", help="auto, csv, jsonl or parquet; a pipe needs csv or jsonl.")
    ] = "auto",
    engine: Annotated[
        Engine, typer.Option(help="What reads the monitor's topic: this process, or a Spark Structured Streaming job.")
    ] = Engine.LOCAL,
) -> None:
    """Score records. With --input: a file or a pipe, to JSON lines. Without: the monitor's own stream, until stopped, to the database."""
    if engine is Engine.SPARK:
        if input_ is not None:
            raise InvalidInput(
                "--engine spark scores the monitor's topic; for files: latentwatch backfill --engine spark"
            )
        from latentwatch.spark.stream_job import score_stream_on_spark

        score_stream_on_spark(monitor)
        return
    # A batch's matrices are small: threads of numpy's would wait for each other four times as long as they compute.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if input_ is None:
        from latentwatch.streaming import score_stream

        score_stream(monitor)
    else:
        from latentwatch.commands import score_file

        score_file(monitor, input_, output, version=version, format_=format_)


@app.command(
    epilog="Examples: latentwatch backfill monitor.yaml --input 'archive/*.parquet' --output scores"
    " · LATENTWATCH_SPARK=spark://host:7077 latentwatch backfill monitor.yaml --input s3a://plant/archive --output"
    " s3a://plant/scores --engine spark"
)
def backfill(
    monitor: MonitorFile,
    input_: Annotated[
        str,
        typer.Option(
            "--input", "-i", metavar="DATA", help="Parquet: a file, a folder, a glob; with Spark, any address."
        ),
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FOLDER", help="New folder of Parquet, one row a record.")
    ],
    engine: Annotated[
        Engine, typer.Option(help="This process, or Spark: LATENTWATCH_SPARK names its master, local[*] without.")
    ] = Engine.LOCAL,
    version: Annotated[int | None, typer.Option(help="Score with this model version instead of the champion.")] = None,
    as_json: AsJson = False,
) -> None:
    """Score an archive of Parquet files into Parquet; touches neither offsets nor alerts. Records count in the order of the files' names and rows: `late` in the monitor is for streams."""
    from latentwatch.backfilling import backfill_archive

    backfill_archive(monitor, input_, output, engine=engine.value, version=version, as_json=as_json)


@app.command(epilog="Example: LATENTWATCH_PASSWORD_FILE=secret latentwatch serve --host 0.0.0.0 --port 8484")
def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; other than loopback needs a password or token.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 picks a free one.")] = None,
) -> None:
    """Serve the review app and its API until stopped."""
    from latentwatch.serving import serve_review

    serve_review(host, port)


@app.command(epilog="Example: latentwatch retrain monitor.yaml --history 'last-month/*.parquet'")
def retrain(
    monitor: MonitorFile,
    history: Histories = None,
    accept_blind: AcceptBlind = False,
    anyway: Anyway = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="First wait until the topic has filled for as long as 'train: {after}' says.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train a challenger on recent history without its incidents, judge it against the champion, promote the better one.
    Nothing is trained where the champion learned from the very same history and settings."""
    from latentwatch.commands import train_monitor

    train_monitor(monitor, history or [], as_json=as_json, accept_blind=accept_blind, anyway=anyway, wait=wait)


@app.command(epilog="Example: LATENTWATCH_CHANNELS_FILE=channels.yaml latentwatch notify")
def notify(
    monitor: Annotated[
        str | None, typer.Argument(metavar="MONITOR", help="With --test: only the channels of this monitor.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Send what is due and end.")] = False,
    test: Annotated[bool, typer.Option("--test", help="Send a test message to each channel and end.")] = False,
) -> None:
    """Send the notifications of new alerts until stopped."""
    from latentwatch.notifying import run_notifier, send_test

    if test:
        send_test(monitor)
        return
    if monitor is not None:
        raise InvalidInput("a monitor is named with --test alone; without, the notifier sends for all monitors")
    run_notifier(once=once)


@app.command(epilog="Example: latentwatch schema > monitor.schema.json")
def schema() -> None:
    """Print the JSON Schema of the monitor file, for editors that complete and check it."""
    from latentwatch.console import print_json
    from latentwatch.monitor_schema import json_schema

    print_json(json_schema())


@app.command(epilog="Example: latentwatch replay monitor.yaml --since 2026-01-01 --version 3 --against 2 --json")
def replay(
    monitor: MonitorFile,
    alert: Annotated[int | None, typer.Option(help="Replay the flagged records of this alert.")] = None,
    since: Annotated[
        str | None, typer.Option(help="From this time on (ISO 8601, UTC unless it says otherwise).")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Before this time.")] = None,
    version: Annotated[int | None, typer.Option(help="Score the records again with this version, and compare.")] = None,
    against: Annotated[
        int | None, typer.Option(help="With --version: compare with this version, not with what is stored.")
    ] = None,
    input_: Annotated[
        str | None,
        typer.Option("--input", metavar="DATA", help="With --version: the records, if not the monitor's own source."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score stored flagged records again and compare the decisions; touches neither offsets nor alerts."""
    from latentwatch.replaying import replay_decisions

    replay_decisions(
        monitor,
        alert=alert,
        since=since,
        until=until,
        version=version,
        against=against,
        input_=input_,
        as_json=as_json,
    )


@app.command(epilog="Example: latentwatch retention --keep alerts=90d --keep trace=2d")
def retention(
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHAT=AGE",
            help="Other than the default age: alerts, dead_letters, trace, minute_counts, audit, runs, ...",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Delete what is older than it needs to be; labelled and open alerts and model versions stay."""
    from latentwatch.commands import run_retention

    run_retention(keep or [], as_json=as_json)


@app.command(epilog="Example: latentwatch doctor monitor.yaml")
def doctor(
    monitors: Annotated[list[Path] | None, typer.Argument(metavar="MONITOR.yaml", help="Check these too.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="WHAT", help="Look at this only, such as database; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check settings, database, broker, bundles and permissions; each failure comes with its fix."""
    from latentwatch.doctor import examine

    raise typer.Exit(examine(monitors or [], only or [], as_json=as_json))


@app.command(epilog="Example: latentwatch demo --for 60s --no-browser --json")
def demo(
    for_: Annotated[
        str | None,
        typer.Option("--for", metavar="TIME", help="Stop after this long, such as 60s; by default on Ctrl-C."),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")] = False,
    as_json: AsJson = False,
    seed: Annotated[int, typer.Option(help="Another plant, other faults.")] = 0,
    port: Annotated[int | None, typer.Option(help="Port of the review app; 0 picks a free one.")] = None,
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its files; emptied at the start.")] = Path(".demo"),
) -> None:
    """Show the whole loop on a generated plant: train, stream, score, alert, retrain, promote, review."""
    from latentwatch.demo import run_demo

    run_demo(folder, duration=for_, browser=not no_browser, as_json=as_json, seed=seed, port=port)


add_explorer(app)
