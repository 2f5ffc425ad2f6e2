"""One measurement: a method with a seed on a set of a suite; its result is a few numbers that are kept on disk."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.quality.methods import Method

Numbers: TypeAlias = Mapping[str, float]

PROTOCOL = 2
"""Raised by hand when a split, a metric or a peer changes, so that kept results are measured again."""


@dataclass(frozen=True, slots=True, order=True)
class Case:
    """What is measured."""

    suite: str
    dataset: str
    method: str
    seed: int


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What came of a case: its numbers, or why there are none."""

    case: Case
    numbers: Numbers
    error: str = ""


@dataclass(frozen=True, slots=True)
class Suite:
    """Sets, methods and what to do with one of each."""

    name: str
    datasets: tuple[str, ...]
    methods: tuple[Method, ...]
    measure: Callable[[Path, str, Method, int], Numbers]
    """(data folder, set, method, seed) -> numbers."""
    alone: bool = False
    """Whether nothing else may run meanwhile, and each case needs a fresh process: speed and memory are measured."""

    def cases(self, quick: bool) -> list[Case]:
        """Every measurement of a run, the cheap seeds first."""
        kept = [method for method in self.methods if method.quick or not quick]
        return [
            Case(self.name, dataset, method.name, seed)
            for seed in range(1 if quick else max(method.seeds for method in kept))
            for method in kept
            if seed < method.seeds
            for dataset in self.datasets
            if dataset not in method.leaves_out
        ]

    def method(self, name: str) -> Method:
        """The method of that name."""
        return next(method for method in self.methods if method.name == name)


class Cache:
    """Results on disk, one small file each; a peer is measured once, ours again whenever its code changes."""

    def __init__(self, folder: Path, house: Path) -> None:
        self._folder = folder
        self._ours = _code_hash(house)

    def load(self, case: Case, method: Method) -> CaseResult | None:
        """The kept outcome, if the code that made it is still the code here."""
        try:
            kept = json.loads(self._file(case).read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        if kept.get("code") != self._code(method):
            return None
        return CaseResult(case, kept["numbers"])

    def save(self, outcome: CaseResult, method: Method) -> None:
        """Keep a measured outcome; a failed one is tried again next time."""
        if outcome.error:
            return
        file = self._file(outcome.case)
        file.parent.mkdir(parents=True, exist_ok=True)
        content: dict[str, Any] = {
            "case": asdict(outcome.case),
            "code": self._code(method),
            "numbers": dict(outcome.numbers),
        }
        partial = file.with_suffix(".partial")
        partial.write_text(json.dumps(content), encoding="utf-8")
        partial.replace(file)

    def _file(self, case: Case) -> Path:
        name = re.sub(r"[^a-zA-Z0-9.-]+", "-", f"{case.method}-{case.seed}")
        return self._folder / case.suite / case.dataset / f"{name}.json"

    def _code(self, method: Method) -> str:
        code = self._ours if method.group == "ours" else f"{method.library}-{version(method.library)}"
        return f"{PROTOCOL}/{code}"


def _code_hash(house: Path) -> str:
    digest = hashlib.sha256()
    for room in ("detector", "domain"):
        for file in sorted((house / room).rglob("*.py")):
            digest.update(file.relative_to(house).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()[:16]
