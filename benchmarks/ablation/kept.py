"""What was fitted, on disk: numpy's file of several arrays for each fit, names of nested parts joined by slashes."""

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ablation.parts import Forecast, Parts, PartScores, RowParts, SequenceParts
from latentwatch.detector.forecasts.fusion import HistoryReadings
from latentwatch.detector.sequences.promise import HistoryScores

HOUSE = Path(__file__).resolve().parents[2]


def code_hash() -> str:
    """Of everything that a fit depends on."""
    digest = hashlib.sha256()
    for room in ("detector", "domain", "benchmarks/quality", "benchmarks/ablation"):
        for file in sorted((HOUSE / room).rglob("*.py")):
            if file.name not in ("fusing.py", "rule.py", "__main__.py"):
                digest.update(file.relative_to(HOUSE).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def write(parts: Parts, file: Path) -> None:
    """Keep them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    with partial.open("wb") as stream:
        np.savez_compressed(stream, **_flat(parts, ""))
    partial.replace(file)


def read(file: Path) -> Parts:
    """The inverse of `write`."""
    nested: dict[str, Any] = {}
    with np.load(file, allow_pickle=False) as arrays:
        for name in arrays.files:
            *above, last = name.split("/")
            at = nested
            for part in above:
                at = at.setdefault(part, {})
            at[last] = arrays[name]
    if "unseen" in nested:
        return RowParts(**nested)
    forecasts = {
        name: Forecast(_history_readings(found["history"]), tuple(_in_order(found["tested"])))
        for name, found in nested.get("forecasts", {}).items()
    }
    history = nested["history"]
    return SequenceParts(
        HistoryScores(**{**history, "brevity": float(history["brevity"])}),
        tuple(PartScores(**told) for told in _in_order(nested["tested"])),
        float(nested["memory"]),
        forecasts,
        bool(nested["follows"]),
    )


def _history_readings(found: Mapping[str, Any]) -> HistoryReadings:
    return HistoryReadings(**{**found, "calibrated": bool(found["calibrated"])})


def _in_order(numbered: Mapping[str, Any]) -> list[Any]:
    return [numbered[str(number)] for number in range(len(numbered))]


def _flat(value: Any, name: str) -> dict[str, Any]:
    if is_dataclass(value):
        inner = {field.name: getattr(value, field.name) for field in fields(value)}
    elif hasattr(value, "_asdict"):
        inner = value._asdict()
    elif isinstance(value, tuple):
        inner = {str(number): part for number, part in enumerate(value)}
    elif isinstance(value, Mapping):
        inner = dict(value)
    else:
        return {name: np.asarray(value)}
    return {
        key: array
        for own, part in inner.items()
        for key, array in _flat(part, f"{name}/{own}" if name else str(own)).items()
    }
