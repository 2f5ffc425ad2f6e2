"""What the shorter commands do: each reads settings, calls the rooms, and says what came of it."""

import shlex
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentwatch.console import counted, print_json, progress_bars, say
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.errors import InvalidInput, LoopFailed
from latentwatch.domain.monitor import load_monitor
from latentwatch.settings import load_settings

if TYPE_CHECKING:
    from latentwatch.retraining import Retraining


def init_monitor(
    data: str,
    output: Path,
    *,
    name: str | None,
    topic: str | None,
    time: str | None,
    entity: str | None,
    where: list[str],
    notify: str | None,
    force: bool,
) -> None:
    """Guess a monitor and write it, never over another one unless told to."""
    from latentwatch.channels_file import CHANNELS_FILE, add_channel
    from latentwatch.guessing import guess_monitor

    if output.exists() and not force:
        raise InvalidInput(f"{output}: exists already; give another --output, or --force to overwrite it")
    if output.exists() and Path(data).exists() and output.samefile(data):
        raise InvalidInput(f"{output}: is the sample itself, and would be lost; give another --output")
    only = dict(_condition(text) for text in where)
    guess = guess_monitor(data, name=name, topic=topic, time=time, entity=entity, where=only)
    told = () if notify is None else (add_channel(output.parent / CHANNELS_FILE, notify),)
    guess = guess.notifying(told)
    try:
        output.parent.mkdir(exist_ok=True)  # `monitors/` on a first day; never a whole path that may be a typing error
        output.write_text(guess.yaml(data), encoding="utf-8")
    except OSError as error:
        raise InvalidInput(
            f"{output}: cannot be written ({error.strerror}); check the folder and its permissions"
        ) from None
    for note in guess.notes:
        say(f"  {note}")
    if told:
        say(f"  alert: sent to {told[0]!r} of {output.parent / CHANNELS_FILE}; for the notifier and for a test:")
        say(f"    export LATENTWATCH_CHANNELS_FILE={output.parent / CHANNELS_FILE}; latentwatch notify --test")
    else:
        say("  alert: nobody is told; 'init --notify URL' sets that up, or 'notify: [NAME]' below 'alert'")
    following = shlex.join(["latentwatch", "train", str(output), "--history", data])
    say(f"wrote {output}; look it over, then: {following}")


def _condition(text: str) -> tuple[str, str]:
    field, sign, value = text.partition("=")
    if not (field and sign):
        raise InvalidInput(f"--where {text}: is no condition; write it as name=cpu")
    return field, value


def train_monitor(
    monitor_file: Path,
    history: list[str],
    *,
    as_json: bool,
    accept_blind: bool = False,
    anyway: bool = False,
    wait: bool = False,
) -> None:
    """Train, register, judge, and promote what is good enough; nothing where the champion learned from the same.

    Training for the first time is retraining without a champion. `wait` for that where it is to be waited for and no history
    is given.

    Raises LoopFailed where nothing serves afterwards, because the first model finds next to nothing.
    """
    from latentwatch.retraining import retrain

    if wait and not history:
        from latentwatch.alerts.registry import ModelRegistry
        from latentwatch.learning import learning_of, wait_until_enough
        from latentwatch.wiring import ready_database, registered

        settings, clock = load_settings(), SystemClock()
        monitor = registered(monitor_file, engine := ready_database(settings))
        if ModelRegistry(engine).champion(monitor.name) is None:
            wait_until_enough(lambda: learning_of(monitor, settings, clock), clock, say)
    started = SystemClock().now()
    run_id = f"{started:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}"
    with progress_bars() as progress:
        result: Retraining = retrain(monitor_file, run_id, history, progress, accept_blind=accept_blind, anyway=anyway)
    version = result.version
    seconds = (SystemClock().now() - started).total_seconds()
    if as_json:
        print_json(
            {
                "monitor": version.monitor,
                "version": version.version,
                "status": version.status.value,
                "trained": result.trained,
                "promoted": result.promoted,
                "bundle": version.bundle,
                "records": result.records,
                "left_out": result.left_out,
                "reasons": list(result.judgement.reasons),
                "seconds": round(seconds, 1),
            }
        )
        _require_service(result)
        return
    if not result.trained:
        say(result.judgement.reasons[0])
        return
    say(
        f"{version.monitor} version {version.version}: {version.status.value} (bundle {version.bundle[:12]}, {seconds:.0f} s)"
    )
    say(f"learned from {counted(result.records, 'record')}; {result.left_out:,} left out as incidents")
    for reason in result.judgement.reasons:
        say(f"- {reason}")
    _require_service(result)


def _require_service(result: "Retraining") -> None:
    """Raises LoopFailed where no model serves the monitor after its training."""
    if result.unserved:
        raise LoopFailed(
            f"{result.version.monitor} version {result.version.version} finds next to nothing and is held; no model serves."
            " Its reasons say what would help; --accept-blind lets it in all the same"
        )


def score_file(monitor_file: Path, input_: str, output: str, *, version: int | None, format_: str) -> None:
    """Score a file or a pipe."""
    from latentwatch.alerts.registry import ModelRegistry
    from latentwatch.scoring import open_input, opened_output, write_scores
    from latentwatch.streams.sources.file_records import name_of
    from latentwatch.wiring import load_version, ready_database, serving_version

    settings, monitor = load_settings(), load_monitor(monitor_file)
    registry = ModelRegistry(ready_database(settings))
    found = serving_version(registry, monitor, version)
    detector = load_version(settings, registry, found, monitor)
    source = open_input(input_, format_, monitor.record)
    with opened_output(output, input_) as out:
        tally = write_scores(source, detector, monitor, out, exceptions=registry.exceptions(monitor.name))
    if tally.unreadable and not tally.records:
        raise InvalidInput(
            f"{name_of(input_)}: none of its records could be read ({counted(tally.unreadable, 'record')}); the first: {tally.first_reason}."
            " Correct the file or the monitor's fields"
        )
    say(f"scored {counted(tally.records, 'record')} with version {found.version}: {tally.flagged:,} flagged")
    if tally.excepted:
        say(f'{tally.excepted:,} records were let pass by exceptions; their lines name them as "excepted"')
    if tally.passed:
        say(f"{counted(tally.passed, 'record')} passed over, as the monitor's 'where' says; they have no line")
    if tally.aligned:
        say(
            f"{counted(tally.aligned, 'line')} gave no row of their own: their value joined a row, came twice or too late, or is of no feature"
        )
    if not tally.records and not tally.passed:
        say(f"{name_of(input_)} holds no records (of a CSV file the first line names the columns); nothing was scored")
    if tally.amended:
        say(f"{tally.amended:,} decisions were amended by late records; of lines of one position the last counts")
    if tally.unread:
        say(
            f"{counted(tally.unread, 'value')} could not be read; the records are scored without, and their lines name each as"
            f' "unread". The first: {tally.first_unread}'
        )
    if tally.unreadable:
        say(
            f"{counted(tally.unreadable, 'record')} could not be read; their lines say why. The first: {tally.first_reason}"
        )


def run_retention(keep: list[str], *, as_json: bool) -> None:
    """Delete what has grown too old."""
    from latentwatch.retaining import delete_expired

    pairs = [text.partition("=") for text in keep]
    wrong = [name for name, separator, _ in pairs if not separator]
    if wrong:
        raise InvalidInput(f"--keep {wrong[0]}: write what and how long, such as --keep trace=2d")
    deleted: dict[str, Any] = delete_expired({name: age for name, _, age in pairs})
    if as_json:
        print_json(deleted)
        return
    for table, rows in deleted.items():
        say(f"{table}: {rows:,} deleted")
