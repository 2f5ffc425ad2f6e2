"""`latentwatch doctor`: looks at everything a process needs, and says for each failure what would fix it.

A finding is fine, a warning (something will not work that may not be needed), or a failure (exit code 1).
"""

import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from latentwatch.alerts.channels import open_channels
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.console import people, print_json
from latentwatch.database_checks import check_clocks, check_database, check_models, check_outbox
from latentwatch.detector.bundle import load_bundle
from latentwatch.detector.bundle_store import ReadOnlyStore, check_store
from latentwatch.domain.errors import InvalidInput, LatentwatchError
from latentwatch.domain.monitor import Monitor, load_monitor
from latentwatch.domain.schema import RecordSchema
from latentwatch.findings import Finding, FindingState, Scene
from latentwatch.serving import review_config
from latentwatch.settings import InvalidSettings, load_settings, unknown_variables
from latentwatch.streams.sources.opening import registry_of

Check = Callable[[Scene], Iterator[Finding]]


def examine(monitor_files: Sequence[Path], only: Sequence[str], *, as_json: bool) -> int:
    """Look at everything, or only at some of it; print what was found; 0 when nothing failed, else 1."""
    findings = list(_findings(monitor_files, only))
    failed = any(finding.state is FindingState.FAILURE for finding in findings)
    if as_json:
        print_json({"ok": not failed, "findings": [asdict(finding) for finding in findings]})
        return int(failed)
    console = people()
    marks = {
        FindingState.FINE: "[green]✓ fine   [/]",
        FindingState.WARNING: "[yellow]! warning[/]",
        FindingState.FAILURE: "[red]✗ failure[/]",
    }
    for finding in findings:
        console.print(f"{marks[finding.state]}  {finding.what:<12} ", end="")
        console.print(finding.detail, markup=False, soft_wrap=True)
        if finding.fix:
            console.print(f"{'':25}fix: {finding.fix}", markup=False, soft_wrap=True)
    return int(failed)


def _findings(monitor_files: Sequence[Path], only: Sequence[str]) -> Iterator[Finding]:
    try:
        settings = load_settings()
    except InvalidSettings as error:
        for line in str(error).splitlines():
            yield Finding("settings", FindingState.FAILURE, line, "correct or unset the variable")
        return
    checks: dict[str, Check] = {
        "settings": _settings,
        "database": check_database,
        "models": check_models,
        "bundles": _bundles,
        "clocks": check_clocks,
        "kafka": _kafka,
        "registry": _registry,
        "monitors": _monitor_files,
        "review app": _review,
        "work folder": _work,
        "mlflow": _mlflow,
        "channels": _channels,
        "outbox": check_outbox,
        "training": _training,
    }
    strange = [name for name in only if name not in checks]
    if strange:
        raise InvalidInput(f"--only {strange[0]}: there is nothing of that name to look at; choose {', '.join(checks)}")
    scene = Scene(settings, monitor_files)
    for name, check in checks.items():
        if not only or name in only:
            yield from check(scene)


def _settings(_: Scene) -> Iterator[Finding]:
    strays = unknown_variables(os.environ)
    for name, meant in strays.items():
        fix = f"rename it to {meant}" if meant else "unset it"
        yield Finding("settings", FindingState.WARNING, f"{name} is not a setting and has no effect", fix)
    if not strays:
        yield Finding("settings", FindingState.FINE, "every LATENTWATCH_ variable is a setting")


def _bundles(scene: Scene) -> Iterator[Finding]:
    root = scene.settings.bundles
    try:
        check_store(root)
    except ReadOnlyStore as error:
        fix = "correct its permissions, where training is meant to run"
        yield Finding("bundles", FindingState.WARNING, f"{error}; nothing can be trained here", fix)
    except LatentwatchError as error:
        yield Finding("bundles", FindingState.FAILURE, str(error), "correct LATENTWATCH_BUNDLES, or what it names")
        return
    else:
        yield Finding("bundles", FindingState.FINE, f"{root}: written, read and deleted")
    try:
        registry = ModelRegistry(scene.prepared())
        champions = [registry.champion(monitor.name) for monitor in scene.registered()]
    except LatentwatchError:
        return  # the database's own finding says so
    serving = [champion for champion in champions if champion is not None]
    for champion in serving:
        name = f"{champion.monitor} version {champion.version}"
        try:
            detector = load_bundle(root, champion.bundle)
        except LatentwatchError as error:
            fix = f"restore {root}/{champion.bundle}, or 'latentwatch models rollback {champion.monitor}'"
            yield Finding("bundles", FindingState.FAILURE, f"{name}: {error}", fix)
        else:
            yield Finding("bundles", FindingState.FINE, f"{name} loads from {root}")
            for monitor in _known(scene):
                if monitor.name == champion.monitor:
                    yield from _fields(monitor, name, detector.schema)
    if not serving:
        yield Finding("bundles", FindingState.FINE, f"{root}: no model serves yet")


def _fields(monitor: Monitor, model: str, trained: RecordSchema) -> Iterator[Finding]:
    """How the fields of a monitor differ from those that its model reads."""
    differences = trained.compared_with(monitor.record)
    wrong = [*(f"{name!r} is missing, which the model reads" for name in differences.lost), *differences.changed]
    if wrong:
        fix = "restore them in the monitor file, or train a model on the fields as they are"
        yield Finding(
            "bundles", FindingState.FAILURE, f"{model} cannot serve monitor {monitor.name}: {'; '.join(wrong)}", fix
        )
    if differences.added:
        fix = f"nothing: 'latentwatch retrain' of {monitor.name} takes it up"
        yield Finding("bundles", FindingState.WARNING, f"{monitor.name}: {differences.added_in_words}", fix)


def _kafka(scene: Scene) -> Iterator[Finding]:
    topics = {monitor.name: monitor.source.kafka.topic for monitor in _known(scene) if monitor.source.kafka}
    for name, topic in topics.items():
        from latentwatch.streams.kafka.topic_offsets import (
            topic_offsets,  # Kafka's client only where a monitor reads a topic
        )

        try:
            partitions = len(topic_offsets(topic, scene.settings.kafka_access()))
        except LatentwatchError as error:
            fix = f"start the broker or correct LATENTWATCH_KAFKA; create {topic!r} or correct source.kafka.topic"
            yield Finding("kafka", FindingState.FAILURE, f"{name}: {error}", fix)
        else:
            yield Finding(
                "kafka", FindingState.FINE, f"{name}: {topic} at {scene.settings.kafka} has {partitions} partitions"
            )
            yield from _keys(scene, name)


def _keys(scene: Scene, name: str) -> Iterator[Finding]:
    """Whether a topic in long form has all values of an entity in one partition."""
    monitor = next(each for each in _known(scene) if each.name == name)
    if monitor.record.long is None:
        return
    from latentwatch.streams.kafka.scattered_entities import scattered_in_words

    settings = scene.settings
    try:
        words = scattered_in_words(monitor, settings.kafka_access(), settings.registry_access())
    except LatentwatchError as error:
        yield Finding(
            "kafka", FindingState.WARNING, f"{name}: its keys cannot be looked at: {error}", "look again later"
        )
        return
    if words is None:
        detail = f"{name}: every entity is in one partition, as far as the last messages show"
        yield Finding("kafka", FindingState.FINE, detail)
    else:
        fix = "correct the producer's key; rows of values that are there already stay apart"
        yield Finding("kafka", FindingState.FAILURE, f"{name}: {words}", fix)


def _registry(scene: Scene) -> Iterator[Finding]:
    """The schema registries of the monitors that read Avro, each once."""
    topics = [monitor.source.kafka for monitor in _known(scene) if monitor.source.kafka]
    reached = {registry_of(topic, scene.settings.registry_access()) for topic in topics if topic.format == "avro"}
    for access in reached:
        if access is None or not access.url:
            detail = "a monitor reads Avro, but there is no registry of its schemas"
            yield Finding("registry", FindingState.FAILURE, detail, "set LATENTWATCH_REGISTRY to http://host:8081")
            continue
        try:
            from latentwatch.streams.decoding.schema_registry import HttpSchemaRegistry

            HttpSchemaRegistry(access).check()
        except ImportError:
            yield Finding(
                "registry", FindingState.FAILURE, "Avro cannot be read here", "pip install 'latentwatch[avro]'"
            )
        except LatentwatchError as error:
            yield Finding("registry", FindingState.FAILURE, str(error), "start it, or correct LATENTWATCH_REGISTRY")
        else:
            yield Finding("registry", FindingState.FINE, f"{access.url} answers")


def _monitor_files(scene: Scene) -> Iterator[Finding]:
    for file in scene.files:
        try:
            monitor = load_monitor(file)
        except LatentwatchError as error:
            fix = "correct the line it names" if file.is_file() else "give the path of a monitor file"
            yield Finding("monitors", FindingState.FAILURE, str(error), fix)
            continue
        source = monitor.source.file
        if source and source.path != "-" and not os.access(source.path, os.R_OK):
            yield Finding(
                "monitors", FindingState.FAILURE, f"{file}: {source.path} cannot be read", "correct source.file.path"
            )
            continue
        strangers = sorted(set(monitor.alert.notify) - set(scene.settings.channels))
        if strangers:
            detail = f"{file}: nobody is told, for there is no channel {', '.join(strangers)}"
            yield Finding("monitors", FindingState.WARNING, detail, "add it to LATENTWATCH_CHANNELS_FILE")
        elif not monitor.alert.notify:
            detail = f"{file}: monitor {monitor.name} is fine, but nobody is told of its alerts"
            fix = "write 'notify: [NAME]' below 'alert', NAME being a channel of LATENTWATCH_CHANNELS_FILE"
            yield Finding("monitors", FindingState.WARNING, detail, fix)
        else:
            yield Finding("monitors", FindingState.FINE, f"{file}: monitor {monitor.name}")


def _review(scene: Scene) -> Iterator[Finding]:
    try:
        config = review_config(scene.settings)
    except LatentwatchError as error:
        yield Finding(
            "review app", FindingState.FAILURE, str(error), "set a password or token, or LATENTWATCH_HOST=127.0.0.1"
        )
    else:
        guarded = "guarded" if config.guarded else "open to this machine only"
        yield Finding("review app", FindingState.FINE, f"would listen on {config.host}:{config.port}, {guarded}")


def _work(scene: Scene) -> Iterator[Finding]:
    folder = Path(scene.settings.work).absolute()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            yield Finding("work folder", FindingState.FINE, f"{folder} can be written")
    except OSError as error:
        detail = f"{folder} cannot be written ({error.strerror}), so nothing can be retrained here"
        yield Finding("work folder", FindingState.WARNING, detail, f"chmod {existing}, or set LATENTWATCH_WORK")


def _mlflow(scene: Scene) -> Iterator[Finding]:
    address = scene.settings.mlflow
    if not address or not address.startswith(("http://", "https://")):
        return
    try:
        with urllib.request.urlopen(f"{address.rstrip('/')}/health", timeout=5):
            yield Finding("mlflow", FindingState.FINE, f"{address} answers")
    except (OSError, urllib.error.URLError) as error:
        detail = f"{address} does not answer ({error}); models are trained all the same, but not logged"
        yield Finding("mlflow", FindingState.WARNING, detail, "start it, or correct or unset LATENTWATCH_MLFLOW")


def _channels(scene: Scene) -> Iterator[Finding]:
    for name, address in scene.settings.channels.items():
        try:
            open_channels({name: address.get_secret_value()})
        except LatentwatchError as error:
            yield Finding(
                "channels", FindingState.FAILURE, str(error), "correct its address in LATENTWATCH_CHANNELS_FILE"
            )
        except ImportError:
            yield Finding(
                "channels", FindingState.WARNING, "nothing can be sent from here", "pip install 'latentwatch[notify]'"
            )
            return
        else:
            yield Finding("channels", FindingState.FINE, f"{name} can be sent to")


def _training(_: Scene) -> Iterator[Finding]:
    if find_spec("torch"):
        yield Finding("training", FindingState.FINE, "torch is installed")
    else:
        detail = "torch is not installed: this environment scores and reviews, but cannot train"
        yield Finding(
            "training", FindingState.WARNING, detail, "pip install 'latentwatch[train]', where training is meant to run"
        )


def _known(scene: Scene) -> list[Monitor]:
    """Monitors of the files given, else those that the database knows."""
    found = []
    for file in scene.files:
        try:
            found.append(load_monitor(file))
        except LatentwatchError:
            continue
    if scene.files:
        return found
    return scene.registered()
