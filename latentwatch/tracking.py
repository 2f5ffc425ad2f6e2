"""A training run in MLflow: parameters, metrics, a plot and the bundle. The only place that imports mlflow."""

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog

from latentwatch.domain.model import Evaluation, Judgement, ModelVersion
from latentwatch.domain.monitor import Monitor, dump_monitor
from latentwatch.domain.percent import percent

log = structlog.get_logger(__name__)


def track_run(address: str, monitor: Monitor, version: ModelVersion, judgement: Judgement, bundles: str) -> str | None:
    """Log one judged version as a run of the experiment `latentwatch-<monitor>`; returns the run's id.

    Whatever keeps the run from being logged costs the log, never the promotion: the reason is warned of and None returned.
    """
    try:
        import mlflow

        mlflow.set_tracking_uri(address)
        mlflow.set_experiment(f"latentwatch-{monitor.name}")
        with (
            contextlib.redirect_stdout(sys.stderr),  # where it prints links, which scripts would read as our JSON
            mlflow.start_run(run_name=f"version {version.version}") as run,
            _folder() as folder,
        ):
            mlflow.log_params(_parameters(monitor, version))
            mlflow.set_tags({"status": version.status.value, "judgement": "\n".join(judgement.reasons)})
            mlflow.log_text(dump_monitor(monitor), "monitor.yaml")
            if version.evaluation is not None:
                mlflow.log_metrics(_metrics(version.evaluation))
                mlflow.log_text(recall_plot(version.evaluation), "recall_by_fault.svg")
            mlflow.log_artifacts(str(fetch_bundle(bundles, version.bundle, folder)), "bundle")
            run_id: str = run.info.run_id
            return run_id
    except Exception as error:  # its stores raise their databases' and clients' own errors, of which there is no list
        log.warning("run not logged to MLflow", address=address, reason=f"{type(error).__name__}: {error}")
        return None


def _parameters(monitor: Monitor, version: ModelVersion) -> dict[str, Any]:
    return {
        "kind": version.kind,
        "effort": monitor.model.effort,
        "seed": monitor.model.seed,
        "window": monitor.window,
        "bundle": version.bundle,
        "trained_records": version.trained_records,
        "history_start": version.history_start,
        "history_end": version.history_end,
    }


def _metrics(evaluation: Evaluation) -> dict[str, float]:
    share = evaluation.faults_found / evaluation.faults_planted if evaluation.faults_planted else 0.0
    metrics = {
        "promised_rate": evaluation.promised_rate,
        "realised_rate": evaluation.realised_rate,
        "realised_rate_low": evaluation.realised_interval[0],
        "realised_rate_high": evaluation.realised_interval[1],
        "holdout_records": float(evaluation.holdout_records),
        "recall": share,
    }
    return metrics | {f"recall_{kind}": found for kind, found in evaluation.recall_by_fault.items()}


def recall_plot(evaluation: Evaluation) -> str:
    """Recall by kind of planted fault as bars, an SVG of its own."""
    rows = sorted(evaluation.recall_by_fault.items())
    bars = "".join(
        f'<text x="150" y="{24 * place + 17}" text-anchor="end">{kind.replace("_", " ")}</text>'
        f'<rect x="160" y="{24 * place + 5}" width="{300 * found:.0f}" height="16" fill="#2563eb"/>'
        f'<text x="{168 + 300 * found:.0f}" y="{24 * place + 17}">{percent(found)}</text>'
        for place, (kind, found) in enumerate(rows)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="540" height="{24 * len(rows) + 10}" '
        f'font-family="sans-serif" font-size="12">{bars}</svg>'
    )


def fetch_bundle(bundles: str, bundle: str, folder: Path) -> Path:
    """A bundle's files in a local folder, wherever they are kept."""
    import fsspec

    filesystem, root = fsspec.core.url_to_fs(bundles)
    target = folder / bundle
    filesystem.get(f"{root.rstrip('/')}/{bundle}", str(target), recursive=True)
    return target


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="latentwatch-") as path:
        yield Path(path)
