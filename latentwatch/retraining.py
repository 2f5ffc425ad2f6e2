"""Retraining as a story of eight steps, the same for Airflow and for the command line.

Between steps travel paths, hashes and small facts, never arrays: each step reads what the one before left in the run's
folder. A step repeated with the same run id finds its work done and changes nothing.

monitor file + run id → history.parquet → clean.parquet → anything new? → fitted model → bundle → evaluations → judgement → promotion
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import structlog

from latentwatch.alerts.exceptions import exceptions
from latentwatch.alerts.missed_stretches import confirmed_misses
from latentwatch.alerts.normal_stretches import normal_stretches
from latentwatch.alerts.registry import ModelRegistry, evaluation_of
from latentwatch.alerts.reviewing import confirmed_alerts, excluded_intervals
from latentwatch.alerts.steps import unanswered
from latentwatch.detector.bundle import load_bundle, load_fitted, save_bundle
from latentwatch.detector.bundle_store import check_store
from latentwatch.detector.carrying_on import carried_on
from latentwatch.detector.confirmed import replay_confirmed
from latentwatch.detector.evaluation import evaluate
from latentwatch.detector.interface import Detector
from latentwatch.detector.judging import judge
from latentwatch.domain.alert import ConfirmedAlert
from latentwatch.domain.clock import SystemClock, from_microseconds
from latentwatch.domain.errors import BundleRefused, InvalidHistory, NothingNew
from latentwatch.domain.exceptions import NO_EXCEPTIONS, Exceptions
from latentwatch.domain.model import Evaluation, Judgement, ModelVersion, VersionStatus
from latentwatch.domain.monitor import Monitor, load_monitor
from latentwatch.domain.record import Batch
from latentwatch.domain.rules import FeatureRules
from latentwatch.exception_replays import judged_with, with_replays
from latentwatch.history import gather_history
from latentwatch.labelled_history import in_force, levelled, others_of, still_strange, within, without_incidents
from latentwatch.learning import learning_of, require_enough
from latentwatch.run_folders import JUDGED, RunFolder, delete_judged_runs, run_folder
from latentwatch.settings import Settings, load_settings
from latentwatch.snapshots import read_snapshot, write_snapshot
from latentwatch.training_digest import training_digest
from latentwatch.wiring import ready_database, registered

Progress = Callable[[str, float], None]
"""Called with a step's name and the share of it that is done, 0 to 1."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Retraining:
    """What a run came to."""

    version: ModelVersion
    judgement: Judgement
    records: int
    """Records of history, before incidents were left out."""
    left_out: int
    unserved: bool = False
    """Whether no model serves, since none did before and this one is held."""
    trained: bool = True
    """False where there was nothing new: `version` is then the one that serves, and served before."""

    @property
    def promoted(self) -> bool:
        """Whether the model was let in and serves now."""
        return self.trained and self.version.status is VersionStatus.CHAMPION


def snapshot_history(monitor_file: str, run_id: str, history: list[str] | None = None) -> str:
    """Freeze the history of a run, so that every later step and every repetition sees the same records.

    Returns the run's folder. Raises StillLearning where the first model's time has not come, InvalidHistory, InvalidMonitor, InvalidInput where the model could not be kept, and
    Unavailable where history is a topic or bundles are in an object store.
    """
    settings = load_settings()
    monitor = load_monitor(monitor_file)
    folder = run_folder(settings, monitor, run_id)
    if folder.noted("snapshot") is None:
        check_store(settings.bundles)  # now, rather than when hours of fitting are over
        if not history and ModelRegistry(ready_database(settings)).champion(monitor.name) is None:
            require_enough(monitor, lambda: learning_of(monitor, settings, SystemClock()))
        batch = gather_history(monitor, settings, history)
        write_snapshot(batch, folder.history)
        folder.monitor_file.write_text(Path(monitor_file).read_text(encoding="utf-8"), encoding="utf-8")
        folder.note("snapshot", {"records": len(batch), **_span(batch)})
    return str(folder.path)


def leave_out_incidents(folder_path: str) -> dict[str, Any]:
    """Take confirmed anomalies and open alerts out of the history: what people call abnormal is not learned as normal.

    Levels that are excepted are taken off, and what was called normal is noted, so that it is learned.
    """
    folder = RunFolder(folder_path)
    done = folder.noted("clean")
    if done is not None:
        return done
    monitor, batch = folder.monitor(), read_snapshot(folder.history)
    settings = load_settings()
    engine = ready_database(settings)
    intervals, made = excluded_intervals(engine, monitor.name), exceptions(engine, monitor.name)
    normal = normal_stretches(engine, monitor.name)
    clean = without_incidents(levelled(batch, in_force(made)), intervals)
    champion = ModelRegistry(engine).champion(monitor.name)
    serving = None if champion is None else _champion(champion, settings)
    if serving is not None and not serving.schema.compared_with(clean.schema).prevent_scoring:
        clean = without_incidents(clean, still_strange(clean, serving, monitor, made, normal))
    if not len(clean):
        raise InvalidHistory(
            f"monitor {monitor.name!r}: all {len(batch)} records of the history lie in alerts; label or close the false ones"
        )
    write_snapshot(clean, folder.clean)
    called_normal = within(clean, normal)
    facts: dict[str, Any] = {
        "records": len(clean),
        "left_out": len(batch) - len(clean),
        "incidents": len(intervals),
        "unanswered": [each.in_words for each in unanswered(engine, monitor.name)],
        "normal": np.flatnonzero(called_normal).tolist(),
        "digest": training_digest(clean, called_normal, monitor),
        **_span(clean),
    }
    return folder.note("clean", facts)


def stop_if_nothing_is_new(folder_path: str, *, anyway: bool = False) -> None:
    """End the run before it trains what serves already, unless it is to train `anyway`.

    Raises NothingNew where the champion, which can still be loaded, was trained on the very same history and settings.
    """
    folder, settings = RunFolder(folder_path), load_settings()
    clean, begun = folder.need("clean"), folder.noted("fitted")
    if anyway or begun is not None:
        return
    registry, monitor = ModelRegistry(ready_database(settings)), folder.monitor()
    champion = registry.champion(monitor.name)
    if champion is None or champion.training_digest != clean["digest"] or _champion(champion, settings) is None:
        return
    reason = (
        f"Nothing new since version {champion.version} of {monitor.name!r}: the same {clean['records']:,} records and the same"
        " settings, so that nothing was trained; --anyway trains all the same."
    )
    _close(folder, settings, champion, (reason,))
    raise NothingNew(reason)


def fit_candidate(folder_path: str, progress: Progress | None = None) -> str:
    """Train on the oldest part of the clean history; returns the hash of the model, which waits in the run's folder."""
    from latentwatch.detector.training import fit, split, window_of  # torch: only where something is trained

    folder, settings = RunFolder(folder_path), load_settings()
    done = folder.noted("fitted")
    if done is not None:
        return str(done["model"])
    monitor, clean = folder.monitor(), read_snapshot(folder.clean)
    window = window_of(clean, monitor)
    normal = np.zeros(len(clean), bool)
    normal[folder.need("clean")["normal"]] = True
    parts = split(clean, window, normal)
    champion = ModelRegistry(ready_database(settings)).champion(monitor.name)
    replaced = None if champion is None else _champion(champion, settings)
    model = save_bundle(fit(parts.fit, monitor.model, window, progress, replaced), str(folder.path))
    write_snapshot(parts.fit.batch, folder.fit)
    write_snapshot(parts.calibration.batch, folder.calibration)
    write_snapshot(parts.holdout.batch, folder.holdout)
    facts = {
        "model": model,
        "window": window,
        "fit": len(parts.fit.batch),
        "calibration": len(parts.calibration.batch),
    }
    return str(folder.note("fitted", facts)["model"])


def calibrate_candidate(folder_path: str) -> str:
    """Learn how strange normal records look to a model that did not see them; returns the hash of what is to be judged, which
    waits in the run's folder."""
    from latentwatch.detector.training import CalibrationSet, FitSet, Fitted, calibrate

    folder = RunFolder(folder_path)
    done = folder.noted("trained")
    if done is not None:
        return str(done["bundle"])
    fitted = cast(Fitted, load_fitted(str(folder.path), folder.need("fitted")["model"]))
    fit_set, calibration = FitSet(read_snapshot(folder.fit)), CalibrationSet(read_snapshot(folder.calibration))
    bundle = save_bundle(calibrate(fitted, fit_set, calibration), str(folder.path))
    return str(folder.note("trained", {"bundle": bundle})["bundle"])


def evaluate_candidate(folder_path: str, progress: Progress | None = None) -> int:
    """Measure challenger and champion on the same holdout, with the same faults planted; write the challenger's bundle, which
    begins where the holdout ends, and register it.

    Returns its version number.
    """
    folder, settings = RunFolder(folder_path), load_settings()
    done = folder.noted("candidate")
    if done is not None:
        return int(done["version"])
    monitor, engine = folder.monitor(), ready_database(settings)
    trained, clean = folder.need("trained"), folder.need("clean")
    holdout, clean_history = read_snapshot(folder.holdout), read_snapshot(folder.clean)
    challenger = load_bundle(str(folder.path), trained["bundle"])
    acting = in_force(exceptions(engine, monitor.name))
    made = others_of(acting)
    evaluation = evaluate(
        challenger,
        holdout,
        monitor.alert,
        rules=FeatureRules.of(monitor.record, challenger.schema),
        exceptions=made,
        history=clean_history,
    )
    evaluation = with_replays(evaluation, challenger, clean_history, monitor, made)
    if progress:
        progress("evaluating", 0.5)
    confirmed = [*confirmed_alerts(engine, monitor.name), *confirmed_misses(engine, monitor.name)]
    history = levelled(read_snapshot(folder.history), acting)
    evaluation = _with_confirmed(evaluation, challenger, monitor, history, confirmed, made)
    registry = ModelRegistry(engine)
    champion = registry.champion(monitor.name)
    rival = None if champion is None else evaluate_champion(champion, settings, monitor, holdout, made, clean_history)
    if champion is not None and rival is not None and (made or confirmed):
        serving = load_bundle(settings.bundles, champion.bundle)
        rival = _with_confirmed(rival, serving, monitor, history, confirmed, made)
        if made:
            rival = with_replays(rival, serving, clean_history.narrowed(serving.schema), monitor, made)
    version = registry.register(
        monitor.name,
        save_bundle(carried_on(challenger, holdout), settings.bundles),
        challenger.kind,
        trained_records=clean["records"],
        history_start=_moment(clean["start"]),
        history_end=_moment(clean["end"]),
        evaluation=evaluation,
        training_digest=clean["digest"],
    )
    folder.note(
        "candidate",
        {
            "version": version.version,
            "bundle": version.bundle,
            "evaluation": asdict(evaluation),
            "champion": None if champion is None else champion.version,
            "champion_bundle": None if champion is None else champion.bundle,
            "champion_evaluation": None if rival is None else asdict(rival),
        },
    )
    return version.version


def judge_candidate(folder_path: str, *, accept_blind: bool = False) -> dict[str, Any]:
    """Say whether the challenger is let in, in words; a first one that finds next to nothing only with `accept_blind`.
    Nothing changes yet."""
    folder = RunFolder(folder_path)
    done = folder.noted("judgement")
    if done is not None:
        return done
    candidate = folder.need("candidate")
    if candidate["bundle"] == candidate["champion_bundle"]:
        judgement = Judgement(
            False, ("Held: it is the very model that serves already; there was nothing new to learn.",)
        )
    else:
        rival = candidate["champion_evaluation"]
        judgement = judge(
            evaluation_of(candidate["evaluation"]),
            None if rival is None else evaluation_of(rival),
            candidate["champion"] if rival is None else None,
            accept_blind=accept_blind,
        )
        challenger, former = evaluation_of(candidate["evaluation"]), None if rival is None else evaluation_of(rival)
        judgement = judged_with(judgement, folder.monitor().name, challenger, former)
    reasons = [*judgement.reasons, *folder.need("clean").get("unanswered", [])]
    return folder.note("judgement", {"promote": judgement.promote, "reasons": reasons})


def promote_candidate(folder_path: str) -> dict[str, Any]:
    """Write the judgement down; when it says so, the challenger serves from the scorers' next batch on."""
    folder, settings = RunFolder(folder_path), load_settings()
    monitor = folder.monitor()
    candidate, judged = folder.need("candidate"), folder.need("judgement")
    judgement = Judgement(bool(judged["promote"]), tuple(judged["reasons"]))
    version = ModelRegistry(ready_database(settings)).judge(monitor.name, candidate["version"], judgement)
    if settings.mlflow and folder.noted("tracked") is None:
        from latentwatch.tracking import track_run

        folder.note("tracked", {"run": track_run(settings.mlflow, monitor, version, judgement, settings.bundles)})
    return _close(folder, settings, version, judgement.reasons)


def retrain(
    monitor_file: Path,
    run_id: str,
    history: list[str],
    progress: Progress,
    *,
    accept_blind: bool = False,
    anyway: bool = False,
) -> Retraining:
    """All steps in a straight line, as the command line takes them."""
    settings = load_settings()
    registered(monitor_file, ready_database(settings))
    progress("reading history", 0.0)
    path = snapshot_history(str(monitor_file), run_id, history)
    progress("reading history", 1.0)
    clean = leave_out_incidents(path)
    folder = RunFolder(path)
    registry = ModelRegistry(ready_database(settings))
    name, records = folder.monitor().name, folder.need("snapshot")["records"]
    try:
        stop_if_nothing_is_new(path, anyway=anyway)
    except NothingNew as found:
        serving = registry.version(name, folder.need(JUDGED)["version"])
        return Retraining(serving, Judgement(False, (str(found),)), records, clean["left_out"], trained=False)
    fit_candidate(path, progress)
    progress("calibrating", 0.0)
    calibrate_candidate(path)
    progress("calibrating", 1.0)
    progress("evaluating", 0.0)
    evaluate_candidate(path, progress)
    progress("evaluating", 1.0)
    judged = judge_candidate(path, accept_blind=accept_blind)
    unserved = not judged["promote"] and folder.need("candidate")["champion"] is None
    promoted = promote_candidate(path)  # after which another run may delete this one's folder
    version = registry.version(name, promoted["version"])
    judgement = Judgement(judged["promote"], tuple(judged["reasons"]))
    return Retraining(version, judgement, records, clean["left_out"], unserved)


def evaluate_champion(
    champion: ModelVersion,
    settings: Settings,
    monitor: Monitor,
    holdout: Batch,
    made: Exceptions = NO_EXCEPTIONS,
    history: Batch | None = None,
) -> Evaluation | None:
    """The champion on the challenger's holdout, which a `history` may lead up to; None where it cannot serve these records any more."""
    detector = _champion(champion, settings)
    if detector is None:
        return None
    if detector.schema.compared_with(holdout.schema).prevent_scoring:
        log.warning("champion reads fields that are not there any more, judging without it", version=champion.version)
        return None
    return evaluate(
        detector,
        holdout.narrowed(detector.schema),
        monitor.alert,
        rules=FeatureRules.of(monitor.record, detector.schema),
        exceptions=made,
        history=None if history is None else history.narrowed(detector.schema),
    )


def _close(folder: RunFolder, settings: Settings, version: ModelVersion, reasons: Sequence[str]) -> dict[str, Any]:
    """Note what the run came to, and make room for the next."""
    outcome = {"version": version.version, "status": version.status.value, "reasons": list(reasons)}
    folder.note(JUDGED, outcome)
    delete_judged_runs(folder.path.parent, settings.keep_runs)
    return outcome


def _with_confirmed(
    evaluation: Evaluation,
    detector: Detector,
    monitor: Monitor,
    history: Batch,
    confirmed: Sequence[ConfirmedAlert],
    made: Exceptions,
) -> Evaluation:
    """An evaluation that also says which confirmed alerts of the history the detector finds."""
    rules = FeatureRules.of(monitor.record, detector.schema)
    replayed = replay_confirmed(detector, history, confirmed, monitor.alert, rules, made)
    return replace(evaluation, details={**evaluation.details, "confirmed": replayed})


def _champion(champion: ModelVersion, settings: Settings) -> Detector | None:
    """The champion's detector; None where its bundle cannot be read any more."""
    try:
        return load_bundle(settings.bundles, champion.bundle)
    except BundleRefused as error:
        log.warning("champion cannot be loaded, going on without it", version=champion.version, reason=str(error))
        return None


def _span(batch: Batch) -> dict[str, int | None]:
    """First and last time, microseconds; None where records carry no time."""
    if batch.schema.time is None:
        return {"start": None, "end": None}
    return {"start": int(batch.times[0]), "end": int(batch.times[-1])}


def _moment(microseconds: int | None) -> Any:
    return None if microseconds is None else from_microseconds(microseconds)
