"""`latentwatch synthesize`: records that were made, not recorded, and marked as such.

history -> sampler of the monitor's kind -> records in the units and at the cadence of each entity -> a fault put upon a stretch
of them -> a file that `latentwatch score --input` reads as it is
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from latentwatch.alerts.registry import ModelRegistry
from latentwatch.detector.cadence import cadence_of
from latentwatch.detector.interface import Detector
from latentwatch.detector.likeness_of_samples import as_columns, nearest_ratio, told_apart, with_changes
from latentwatch.detector.running_context import RunningContext
from latentwatch.detector.sequences.matched_blocks import FEWEST_RECORDS
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.counters import in_rates
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.model_choice import ModelKind
from latentwatch.domain.monitor import Monitor, load_monitor
from latentwatch.domain.record import Batch, Value, batch_from_columns, concatenate
from latentwatch.domain.schema import RecordSchema
from latentwatch.history import gather_history, read_history
from latentwatch.rehearsing import fault_case, with_fault
from latentwatch.scoring import write_scores
from latentwatch.settings import load_settings
from latentwatch.streams.sources.file_source import FileSource
from latentwatch.wiring import ASKING_SECONDS, load_version, ready_database, serving_version

MOST_AUC = 0.75
"""Beyond it a classifier tells too well what was made, and nothing is written without being told to."""
MOST_RECORDS = 1_000_000
MOST_ENTITIES = 20
"""Of more those with most records are drawn."""
_SYNTHETIC, _FAULT = "synthetic", "synthetic_fault"
_DRAWN_FOR_EACH = 4
"""Records drawn for each that is laid along a real stretch."""
_CHANCES = np.array([0, 1e-4, 1e-3, 3e-3, 0.01, 0.03, *np.linspace(0.1, 1, 10)])
"""Edges of the ranges of 10^-surprise by which drawn records are chosen."""


Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be made."""

    records: int
    output: str
    fault: str = ""
    """The cause of a known incident."""
    entity: str = ""
    """Whose records get the fault; the first one's where it is not said."""
    onto: str = ""
    """A file of real records that gets the fault in place of drawn ones."""
    history: tuple[str, ...] = ()
    anyway: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Made:
    """What was written, and how like real records it is."""

    output: str
    records: int
    version: int
    kind: str
    """Of what was sampled from."""
    auc: float | None
    """How well boosted trees tell drawn records from real ones; None where real ones were taken."""
    nearest: float | None
    """Distance to the nearest real record, by that of real ones; None likewise."""
    anyway: bool
    fault: str
    fault_alert: int | None
    """The alert whose course was put upon the records."""
    fault_records: int
    flagged: float
    """Share of the file's records that the version flags."""
    promised: float
    """Share that its threshold lets it flag of normal ones."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Records, and what tells how like real ones they are."""

    records: Batch
    """In rates."""
    real: NDArray[np.float64]
    """[N, F] columns of real records."""
    made: NDArray[np.float64]
    """[M, F] the same of drawn ones."""
    kind: str = ""
    """What was sampled from."""


def synthesize(monitor_file: Path, wanted: Wanted, progress: Progress) -> Made:
    """Make records and write them.

    Raises InvalidInput where they cannot be made, or are told from real ones too well and `anyway` is not said; NotFound for
    a fault that no labelled alert had; and as reading a history does.
    """
    _check(wanted)
    settings, monitor = load_settings(), load_monitor(monitor_file)
    _refuse_shapes(monitor)
    engine = ready_database(settings, patience_seconds=ASKING_SECONDS)
    registry = ModelRegistry(engine)
    version = serving_version(registry, monitor, None)
    detector = load_version(settings, registry, version, monitor)
    case = fault_case(engine, monitor, wanted.fault) if wanted.fault else None
    auc = nearest = None
    if wanted.onto:
        made, kind = read_history(monitor.record, [wanted.onto]), "recorded"
    else:
        progress("reading the history", 0.0)
        history = gather_history(monitor, settings, list(wanted.history) or None)
        rates = _with_rates(history)
        progress("learning to sample", 0.1)
        drawn = _drawn(detector, rates, wanted)
        kind = drawn.kind
        progress("comparing with real records", 0.6)
        auc, nearest = told_apart(drawn.real, drawn.made, wanted.seed), nearest_ratio(drawn.real, drawn.made)
        if auc > MOST_AUC and not wanted.anyway:
            raise InvalidInput(
                f"a classifier tells what was drawn from real records with an AUC of {auc:.2f}, more than {MOST_AUC}: it is"
                " too unlike them to stand for them. With --anyway it is written, and the file says so; a longer --history"
                " may help"
            )
        made = _in_counts(drawn.records, history)
    stretch = np.zeros(len(made), bool)
    if case is not None:
        made, stretch = with_fault(made, case, wanted.entity)
    progress("writing", 0.8)
    facts = Made(
        output=wanted.output,
        records=len(made),
        version=version.version,
        kind=kind,
        auc=auc,
        nearest=nearest,
        anyway=bool(auc is not None and auc > MOST_AUC),
        fault=wanted.fault,
        fault_alert=None if case is None else case.alert,
        fault_records=int(stretch.sum()),
        flagged=0.0,
        promised=version.evaluation.promised_rate if version.evaluation else 10.0 ** -detector.threshold(monitor.alert),
    )
    _write(made, stretch, facts, synthetic=not wanted.onto)
    progress("scoring what was written", 0.9)
    with open(os.devnull, "wb") as nowhere:
        tally = write_scores(
            FileSource(wanted.output, "auto", SystemClock(), monitor.record), detector, monitor, nowhere
        )
    return replace(facts, flagged=tally.flagged / max(1, tally.records))


def _check(wanted: Wanted) -> None:
    if not 1 <= wanted.records <= MOST_RECORDS:
        raise InvalidInput(f"-n {wanted.records:,}: must be from 1 to {MOST_RECORDS:,}")
    if Path(wanted.output).suffix not in (".parquet", ".csv"):
        raise InvalidInput(f"-o {wanted.output}: give a file that ends in .parquet or .csv")
    if wanted.onto and not wanted.fault:
        raise InvalidInput("--onto puts a fault upon real records; say which one with --fault")
    if wanted.onto and Path(wanted.onto).resolve() == Path(wanted.output).resolve():
        raise InvalidInput(f"{wanted.output}: is the file of real records, and would be lost; give another -o")


def _refuse_shapes(monitor: Monitor) -> None:
    record = monitor.record
    if record.takes_apart or record.long is not None or record.is_shaped or record.entity_is_file:
        raise InvalidInput(
            f"monitor {monitor.name!r} reads records out of another shape (arrays, long form, several entity fields, 'where',"
            " or a file an entity); records are made for monitors that read one record a row"
        )
    if record.texts:
        raise InvalidInput(
            f"text cannot be drawn; the monitor reads {', '.join(record.texts)}. Use a copy of it without those fields"
        )


def _drawn(detector: Detector, rates: Batch, wanted: Wanted) -> _Drawn:
    """Drawn records in rates, each entity's in time after the history."""
    from latentwatch.detector.latent.sampling import CANNOT

    known = ModelKind(detector.kind)
    kind = ModelKind.VARIATIONAL if known in CANNOT or known in (ModelKind.AUTO, ModelKind.WINDOWED) else known
    beside = " beside it" if known in CANNOT else ""
    names, counts = np.unique(rates.entities.astype(str), return_counts=True)
    most = np.sort(np.argsort(-counts, kind="stable")[:MOST_ENTITIES])
    names, counts = names[most], counts[most]
    narrowed = rates.narrowed(in_rates(detector.schema))
    streams = detector.context.width > 0
    if streams:
        enough = counts >= min(FEWEST_RECORDS, counts.max())
        names, counts = names[enough], counts[enough]
    sizes = np.diff(np.rint(np.concatenate([[0], np.cumsum(counts)]) * wanted.records / counts.sum()).astype(int))
    parted = dict(zip(names.tolist(), sizes.tolist(), strict=True))
    draw = _streams if streams else _rows
    return replace(draw(detector, narrowed, parted, kind, wanted.seed), kind=f"{kind.value}{beside}")


def _streams(detector: Detector, history: Batch, sizes: dict[str, int], kind: ModelKind, seed: int) -> _Drawn:
    """So many of each entity. Compared are streams as long as what they were learned from: shorter ones are of other hours."""
    from latentwatch.detector.sequences.stream_sampling import fit_stream_sampler

    sampler = fit_stream_sampler(history.take(np.isin(history.entities, list(sizes))), kind, seed)
    random = np.random.RandomState(seed)
    parts, real, made = [], [], []
    for name, size in sizes.items():
        known = sampler.known[name].records
        stream = sampler.draw(name, max(size, len(known)), random)
        parts.append(stream.take(slice(0, size)))
        real.append(with_changes(known))
        made.append(with_changes(stream))
    return _Drawn(_in_time(parts), np.concatenate(real), np.concatenate(made))


def _rows(detector: Detector, history: Batch, sizes: dict[str, int], kind: ModelKind, seed: int) -> _Drawn:
    """So many of each entity, each on its own."""
    from latentwatch.detector.rows.sampling import fit_row_sampler

    inner: Any = detector
    while hasattr(inner, "inner"):
        inner = inner.inner
    random = np.random.RandomState(seed)
    parts = []
    for name, size in sizes.items():
        if not size:
            continue
        mine = history.take(history.entities == name)
        pool = _batch_of(history.schema, *fit_row_sampler(mine, kind, seed).draw(_DRAWN_FOR_EACH * size, random))
        surprise = inner.score(pool, RunningContext(inner.context).extend(pool)).surprise
        parts.append(_placed(pool.take(as_surprising_as_real(surprise, size, random)), mine))
    drawn = _in_time(parts)
    return _Drawn(drawn, as_columns(history), as_columns(drawn))


def _in_time(parts: list[Batch]) -> Batch:
    whole = concatenate(parts)
    return whole.take(np.argsort(whole.times, kind="stable"))


def _batch_of(schema: RecordSchema, records: list[dict[str, Value]], owners: NDArray[np.object_]) -> Batch:
    columns: dict[str, Any] = {name: [record.get(name) for record in records] for name in schema.names}
    for name in schema.numbers:
        columns[name] = [np.nan if value is None else float(value) for value in columns[name]]
    return batch_from_columns(schema, columns, entities=owners)


def as_surprising_as_real(surprise: NDArray[np.float32], size: int, random: np.random.RandomState) -> NDArray[np.intp]:
    """Rows of drawn records [N], so many, whose surprises are spread as those of normal ones: a tenth reach 1, a hundredth 2.

    A sampler blurs narrow relations, and a detector sees that at once: of each range of surprise as many are taken as normal
    records have there, as far as enough were drawn.
    """
    chance = np.clip(10.0 ** -surprise.astype(np.float64), 0, 1 - 1e-9)
    place = np.searchsorted(_CHANCES, chance, "right") - 1
    seen = np.bincount(place, minlength=len(_CHANCES) - 1)
    weight = (np.diff(_CHANCES) / np.maximum(seen, 1))[place]
    return np.asarray(random.choice(len(surprise), size, replace=False, p=weight / weight.sum()), np.intp)


def _placed(drawn: Batch, history: Batch) -> Batch:
    """With times that go on at the cadence where the entity's history ends."""
    step = cadence_of(history.times, history.entities) or float(
        np.median(np.diff(history.times)) / 1e6 if len(history) > 1 else 1.0
    )
    times = history.times[-1] + (1 + np.arange(len(drawn), dtype=np.int64)) * max(1, round(step * 1e6))
    return replace(drawn, times=times)


def _with_rates(history: Batch) -> Batch:
    """Counters as what they grew by a second since the entity's record before; missing where they began again."""
    schema = in_rates(history.schema)
    numbers = history.numbers.astype(np.float64)
    for name in history.schema.counters:
        column = history.schema.numbers.index(name)
        for owner in np.unique(history.entities.astype(str)):
            rows = np.flatnonzero(history.entities == owner)
            grown, seconds = np.diff(numbers[rows, column]), np.diff(history.times[rows]) / 1e6
            with np.errstate(all="ignore"):
                rate = np.where((grown >= 0) & (seconds > 0), grown / seconds, np.nan)
            numbers[rows, column] = np.concatenate([[np.nan], rate])
    return replace(history, schema=schema, numbers=numbers.astype(np.float32))


def _in_counts(drawn: Batch, history: Batch) -> Batch:
    """Rates counted up again from each entity's last count."""
    if not history.schema.counters:
        return drawn
    schema = RecordSchema(
        **{key: getattr(drawn.schema, key) for key in RecordSchema.model_fields if key != "features"},
        features=tuple(history.schema.feature(name) for name in drawn.schema.names),
    )
    numbers = drawn.numbers.astype(np.float64)
    for name in history.schema.counters:
        column, known = schema.numbers.index(name), history.schema.numbers.index(name)
        for owner in np.unique(drawn.entities.astype(str)):
            rows, before = np.flatnonzero(drawn.entities == owner), history.entities == owner
            last = history.times[before][-1]
            seconds = np.diff(drawn.times[rows], prepend=last) / 1e6
            counts = history.numbers[before, known]
            begun = counts[np.isfinite(counts)][-1] if np.isfinite(counts).any() else 0.0
            counted = begun + np.cumsum(np.nan_to_num(np.maximum(numbers[rows, column], 0)) * seconds)
            whole = not (counts[np.isfinite(counts)] % 1).any()
            numbers[rows, column] = np.rint(counted) if whole else counted
    return replace(drawn, schema=schema, numbers=numbers)


def _write(batch: Batch, stretch: NDArray[np.bool_], facts: Made, *, synthetic: bool) -> None:
    schema = batch.schema
    columns: dict[str, pa.Array] = {}
    if schema.time is not None:
        columns[schema.time] = pa.array(batch.times, pa.timestamp("us", tz="UTC"))
    if isinstance(schema.entity, str):
        columns[schema.entity] = pa.array(batch.entities, pa.string())
    for place, name in enumerate(schema.numbers):
        values = np.ascontiguousarray(batch.numbers[:, place])
        if synthetic and name not in schema.counters:  # drawn in single precision, whose digits double would prolong
            values = values.astype(np.float32)
        told: Any = [None if value != value else bool(value) for value in values.tolist()]
        boolean = schema.feature(name).type.value == "boolean"
        columns[schema.feature(name).path or name] = (
            pa.array(told, pa.bool_()) if boolean else pa.array(values, from_pandas=True)
        )
    for place, name in enumerate(schema.categories):
        columns[schema.feature(name).path or name] = pa.array(batch.categories[:, place], pa.string())
    columns[_SYNTHETIC] = pa.array(np.full(len(batch), synthetic) | stretch)
    columns[_FAULT] = pa.array(np.where(stretch, facts.fault, "").tolist(), pa.string())
    if facts.anyway:
        columns["synthetic_anyway"] = pa.array([f"AUC {facts.auc:.2f}"] * len(batch), pa.string())
    told_apart_by = json.dumps(asdict(facts) | {"flagged": None})
    table = pa.table(columns).replace_schema_metadata({"latentwatch.synthetic": told_apart_by})
    target = Path(facts.output)
    part = target.with_name(target.name + ".part")
    write = partial(pq.write_table, table) if target.suffix == ".parquet" else partial(pa.csv.write_csv, table)
    try:
        write(str(part))
        os.replace(part, target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InvalidInput(f"{target}: cannot be written ({error}); check the folder and its permissions") from None
