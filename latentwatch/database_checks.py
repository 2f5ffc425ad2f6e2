"""What `latentwatch doctor` asks of the database: itself, the models, the scorers' clocks, the messages to people."""

import os
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from latentwatch.alerts.database import SchemaState, schema_state
from latentwatch.alerts.heartbeats import heartbeats
from latentwatch.alerts.outbox import GIVEN_UP, due_too_late, outbox_state
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.domain.addresses import without_secrets
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.durations import format_duration
from latentwatch.domain.errors import LatentwatchError
from latentwatch.domain.learning import LEARNING
from latentwatch.domain.model import VersionStatus
from latentwatch.domain.private_files import open_to_others
from latentwatch.findings import Finding, FindingState, Scene

_CLOCK_TOLERANCE = timedelta(seconds=10)
"""Clocks that are kept by NTP differ by less than a tenth of a second."""


def check_database(scene: Scene) -> Iterator[Finding]:
    """Whether it answers, can be written, and has tables that this version knows."""
    shown = without_secrets(scene.settings.database)
    try:
        state = schema_state(scene.answering())
    except LatentwatchError as error:
        yield Finding("database", FindingState.FAILURE, str(error), "start it, or correct LATENTWATCH_DATABASE")
        return
    file = scene.settings.database.removeprefix("sqlite:///")
    if file != scene.settings.database and Path(file).exists() and not os.access(file, os.W_OK):
        yield Finding("database", FindingState.FAILURE, f"{file} cannot be written", f"chown or chmod {file}")
        return
    if file != scene.settings.database and Path(file).exists() and open_to_others(file):
        yield Finding(
            "database", FindingState.WARNING, f"{file} can be read by others on this machine", f"chmod 600 {file}*"
        )
    if state is SchemaState.CURRENT:
        yield Finding("database", FindingState.FINE, f"{shown} answers, its tables are up to date")
    elif state is SchemaState.NEWER:
        detail = f"{shown} answers, but a newer latentwatch has changed its tables: this one cannot use it"
        yield Finding(
            "database", FindingState.FAILURE, detail, "install the version that the other processes run, or a newer one"
        )
    else:
        missing = "not made yet" if state is SchemaState.ABSENT else "of an older version"
        detail = f"{shown} answers, its tables are {missing}"
        yield Finding(
            "database", FindingState.WARNING, detail, "nothing: the next train, score or serve brings them up to date"
        )


def check_models(scene: Scene) -> Iterator[Finding]:
    """Whether a model serves for every monitor that has versions."""
    try:
        registry = ModelRegistry(scene.prepared())
        found = [
            (monitor.name, registry.champion(monitor.name), registry.versions(monitor.name), monitor.train.after)
            for monitor in scene.registered()
        ]
        beats = heartbeats(scene.prepared())
    except LatentwatchError:
        return  # the database's own finding says so
    for name, champion, versions, after in found:
        if champion is not None:
            yield Finding("models", FindingState.FINE, f"{name}: version {champion.version} serves")
        elif not versions and after is not None:
            said = [beat.state for beat in beats if beat.monitor == name and beat.state.startswith(LEARNING)]
            detail = (
                said[0]
                if said
                else f"learns from its stream for {format_duration(after)}; 'latentwatch score' says how far"
            )
            yield Finding("models", FindingState.FINE, f"{name}: {detail}")
        elif versions:
            counted = Counter(version.status for version in versions)
            each = ", ".join(f"{number} {status.value}" for status, number in counted.items())
            detail = f"{name}: no model serves, so nothing is scored; of its versions are {each}"
            newest = next((v.version for v in versions if v.status is not VersionStatus.REFUSED), None)
            fix = (
                f"'latentwatch models promote {name} {newest}', or train again"
                if newest
                else f"'latentwatch models restore {name} {versions[0].version}', or train again"
            )
            yield Finding("models", FindingState.FAILURE, detail, fix)


def check_clocks(scene: Scene) -> Iterator[Finding]:
    """Whether a scorer says that it was alive at a time that has not come yet."""
    now = SystemClock().now()
    try:
        beats = heartbeats(scene.prepared())
    except LatentwatchError:
        return  # the database's own finding says so
    ahead = [beat for beat in beats if beat.seen > now + _CLOCK_TOLERANCE]
    for beat in ahead:
        seconds = (beat.seen - now).total_seconds()
        detail = f"the scorer {beat.id} of {beat.monitor} was last heard from {seconds:,.0f} s in the future"
        fix = f"set the clock of {beat.host} by NTP, or this machine's"
        yield Finding("clocks", FindingState.FAILURE, detail, fix)
    if beats and not ahead:
        yield Finding("clocks", FindingState.FINE, "no scorer's clock is ahead of this machine's")


def check_outbox(scene: Scene) -> Iterator[Finding]:
    """Whether messages to people are on their way."""
    now = SystemClock().now()
    try:
        engine = scene.answering()
        current = schema_state(engine) is SchemaState.CURRENT
        messages = outbox_state(engine) if current else {}
        late = due_too_late(engine, now) if current else None
    except LatentwatchError:
        return  # the database's own finding says it
    counted = ", ".join(f"{number} {status}" for status, number in messages.items()) or "empty"
    if late is not None:
        number, farthest = late
        detail = (
            f"messages to people are not due before {farthest:%Y-%m-%d %H:%M:%S} UTC: {number:,} of them ({counted})"
        )
        fix = "set the clocks by NTP: whoever wrote them had one that was ahead, or this machine's is behind"
        yield Finding("outbox", FindingState.FAILURE, detail, fix)
    elif messages.get(GIVEN_UP):
        fix = "the reasons are in the table notifications, column error; correct the channel"
        yield Finding("outbox", FindingState.WARNING, f"messages to people were given up: {counted}", fix)
    else:
        yield Finding("outbox", FindingState.FINE, f"messages to people: {counted}")
