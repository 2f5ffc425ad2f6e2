"""History becomes a sequence detector: channels, context, densities, autoencoder, calibration. The training side.

Time blocks take turns: each is scored by a model that saw neither it nor its neighbourhood, and those scores, pooled, are
what normal looks like out of sample. Then everything but the autoencoder's members is fitted again on all rows. What that
knows more than a block's judge is taken from what people are promised: see `as_if_fresh`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.autoencoders.examples import Examples, TrainingPlan
from latentwatch.detector.autoencoders.network import Network
from latentwatch.detector.calibration import fit_calibration
from latentwatch.detector.entities import rows_by_entity
from latentwatch.detector.interface import Contexts
from latentwatch.detector.parts import below, prefixed
from latentwatch.detector.sequences.blocks import BLOCKS, time_blocks
from latentwatch.detector.sequences.channels import Channels, fit_channels
from latentwatch.detector.sequences.charts import fit_charts
from latentwatch.detector.sequences.context import PATCHES, SequenceContext, encode, fit_context, readings_of
from latentwatch.detector.sequences.densities import (
    PrototypeDensity,
    WindowMemory,
    cluster,
    fit_density,
    fit_shapes,
    remember_windows,
)
from latentwatch.detector.sequences.detector import AGES, SequenceCalibration, SequenceDetector
from latentwatch.detector.sequences.following import drifts, growth_of_levels
from latentwatch.detector.sequences.model import (
    ACTIVITY,
    DENSITY,
    RECONSTRUCTION,
    RELATIONS,
    SHAPE,
    SequenceModel,
    density_blocks,
    furthest,
    window_names,
)
from latentwatch.detector.sequences.pace import fit_pace
from latentwatch.detector.sequences.promise import as_if_fresh, calibrate_together
from latentwatch.detector.sequences.reconstruction import Retrieval
from latentwatch.detector.sequences.recursion import RECENT
from latentwatch.detector.sequences.remembering import remember
from latentwatch.domain.errors import InvalidHistory
from latentwatch.domain.monitor import ModelChoice, ModelKind
from latentwatch.domain.record import Batch
from latentwatch.domain.schema import RecordSchema

Floats = NDArray[np.float32]
Progress = Callable[[str, float], None]

FEWEST_RECORDS = 30
_UNTRAINED = Network((), ())
_NO_DENSITY = PrototypeDensity(*(np.zeros(shape, np.float32) for shape in ((0,), (0, 0), (1, 0))))
_PROTOTYPES = 16
_CODE_PROTOTYPES = 16
_SHAPES = 32
_REMEMBERED_WINDOWS = 512
_TRAINING_ROWS = 20_000
_RESTARTS = 64
_YOUTH_QUANTILES = (0.5, 0.75, 0.9)
_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class _Rows:
    """Training contexts with the time block of each, and which rows keep their distance from other blocks."""

    features: Floats
    """[N, D]"""
    blocks: NDArray[np.intp]
    """[N] 0 to BLOCKS - 1"""
    inner: NDArray[np.bool_]
    """[N] not within a gap of another block."""

    def outside(self, block: int) -> NDArray[np.intp]:
        """Rows a model may see that is to be judged on `block`."""
        return np.flatnonzero((self.blocks != block) & self.inner)


@dataclass(frozen=True, slots=True)
class FittedSequences:
    """A sequence model trained on records, not calibrated yet; can be put aside like a bundle."""

    context: SequenceContext
    model: SequenceModel
    choice: ModelChoice

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every array."""
        return {**prefixed("context.", self.context.arrays()), **self.model.arrays()}

    def meta(self) -> dict[str, Any]:
        """Everything else."""
        return {
            "detector": "fitted sequences",
            "schema": self.context.channels.schema.model_dump(mode="json"),
            "context": self.context.meta(),
            "choice": self.choice.model_dump(mode="json"),
        }

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], bundle: str = "") -> Self:
        """The inverse of `arrays` and `meta`."""
        schema = RecordSchema.model_validate(meta["schema"])
        of_context = below(arrays, "context.")
        channels = Channels.from_bundle(schema, of_context, meta["context"])
        context = SequenceContext.from_bundle(channels, of_context, meta["context"])
        choice = ModelChoice.model_validate(meta["choice"])
        return cls(context, SequenceModel.from_bundle(arrays, context), choice)


def fit_sequences(
    history: Batch, choice: ModelChoice, window: int, progress: Progress | None = None
) -> FittedSequences:
    """Train on normal records, each entity's in order of time. `window` is W in records, at least 2.

    Raises InvalidHistory where there are too few records, or text among them.
    """
    if history.schema.texts:
        raise InvalidHistory(
            f"text is read only where each record is scored on its own: set 'window: 1', "
            f"or leave {', '.join(history.schema.texts)} out of the features"
        )
    if len(history) < FEWEST_RECORDS:
        raise InvalidHistory(
            f"{len(history)} records are too few to learn a sequence from; at least {FEWEST_RECORDS} are needed"
        )
    tell = progress or (lambda _stage, _share: None)
    tell("reading context", 0.0)
    channels = fit_channels(history)
    patches = 0 if choice.effort == "light" and choice.kind is not ModelKind.WINDOWED else PATCHES
    sees_shape = choice.effort == "full" or choice.kind is ModelKind.WINDOWED
    window = max(2, window)
    follows = _drifts(channels, history, window, choice.seed) if choice.follow_drift == "auto" else choice.follow_drift
    context = fit_context(channels, history, window, patches, follows=follows)
    contexts = encode(context, history)
    rows = _rows(context, history, contexts)
    charts, _, _ = fit_charts(readings_of(context, history, contexts), rows.blocks, rows.inner)
    context = replace(context, charts=charts)
    tell("fitting densities", 0.1)
    densities = _fit_densities(rows.features, channels.count, patches, choice.seed)
    retrieval = _fit_retrieval(
        (RECENT + (patches if sees_shape else 0)) * channels.count,
        rows,
        choice,
        lambda share: tell("training the autoencoder", 0.2 + 0.8 * share),
    )
    model = SequenceModel(densities, {}, retrieval, channels.count, patches)
    windows = _fit_windows(model, window_names(context), rows.features, choice.seed)
    return FittedSequences(context, replace(model, windows=windows), choice)


def calibrate_sequences(fitted: FittedSequences, history: Batch) -> SequenceDetector:
    """Calibrate on the time blocks of the history it was fitted on, each judged by what did not see it."""
    model, context, choice = fitted.model, fitted.context, fitted.choice
    contexts = encode(context, history)
    rows = _rows(context, history, contexts)
    _, charts, standstill = fit_charts(readings_of(context, history, contexts), rows.blocks, rows.inner)
    energies = _out_of_sample(model, rows, charts, choice.seed)
    entities = _entity_numbers(history)
    youth = _measure_youth(model, context, history, entities)
    stretch = len(history) / (BLOCKS * (int(entities.max()) + 1))
    novel = (*(model.tail(rows.features, at) for at in range(3)), standstill)
    brevity = context.spans[-1] / stretch
    start = SequenceCalibration({}, fit_calibration(np.zeros(2)), float(novel[1].max()), youth)
    settled = start.settle(energies, contexts.seen)
    fresh = start.settle(as_if_fresh(energies, _familiar(model, rows.features), brevity), contexts.seen)
    calibration, fused = calibrate_together(start, settled, fresh, novel, rows.blocks, brevity)
    surprise = calibration.composite.surprise(fused)
    return SequenceDetector(
        schema=history.schema,
        context=context,
        model=model,
        calibration=calibration,
        memory=remember(model, context, history, rows.features),
        pace=fit_pace(history.times, entities, surprise),
        kind=(ModelKind.DENOISING if choice.kind is ModelKind.AUTO else choice.kind).value,
    )


def _drifts(channels: Channels, history: Batch, window: int, seed: int) -> bool:
    """Whether levels drift so that following them pays; see `following.drifts`."""
    fixed, followed = (fit_context(channels, history, window, follows=follows) for follows in (False, True))
    graded = channels.transform(history)[0][:, followed.levels.rates > 0]
    return drifts(
        growth_of_levels(graded, _entity_numbers(history)),
        lambda: (_strangeness_of_unseen(fixed, history, seed), _strangeness_of_unseen(followed, history, seed)),
    )


def _strangeness_of_unseen(context: SequenceContext, history: Batch, seed: int) -> float:
    """By how much a block of time looks stranger to a density of level that did not see it: mean log distance."""
    rows = _rows(context, history, encode(context, history))
    first, stop = density_blocks(0)["level"]
    level = rows.features[:, first * context.channels.count : stop * context.channels.count]
    blind = 0.0
    for block in range(BLOCKS):
        inside = level[rows.blocks == block]
        blind += float(fit_density(level[rows.outside(block)], _PROTOTYPES, seed).energy(inside).sum())
    return blind / len(level) - float(fit_density(level, _PROTOTYPES, seed).energy(level).mean())


def _rows(context: SequenceContext, history: Batch, contexts: Contexts) -> _Rows:
    blocks, inner = time_blocks(_entity_numbers(history), 4 * context.window)
    return _Rows(contexts.features, blocks, inner)


def _entity_numbers(history: Batch) -> NDArray[np.intp]:
    """[N] a number for each record's entity."""
    return np.unique(history.entities.astype(str), return_inverse=True)[1].astype(np.intp)


def _fit_densities(features: Floats, channels: int, patches: int, seed: int) -> dict[str, PrototypeDensity]:
    return {
        name: fit_density(features[:, first * channels : stop * channels], _PROTOTYPES, seed)
        for name, (first, stop) in density_blocks(patches).items()
    }


def _fit_windows(model: SequenceModel, names: tuple[str, ...], features: Floats, seed: int) -> dict[str, WindowMemory]:
    seen = {name: model.window(features, name) for name in names}
    return {
        name: fit_shapes(part, _SHAPES, seed) if name == SHAPE else remember_windows(part, _REMEMBERED_WINDOWS)
        for name, part in seen.items()
    }


def _fit_retrieval(width: int, rows: _Rows, choice: ModelChoice, progress: Callable[[float], None]) -> Retrieval:
    """The autoencoder's members, each blind to one time block."""
    from latentwatch.detector.autoencoders.training import train_network  # torch: calibrating does without

    chosen = np.flatnonzero(rows.inner)
    chosen = chosen[:: max(1, len(chosen) // _TRAINING_ROWS)]
    features = rows.features[chosen, :width]
    centre, scale = features.mean(axis=0), features.std(axis=0)
    scale[scale < 1e-4] = 0.0
    start = Retrieval(centre, scale, np.zeros((BLOCKS, 1, width), np.float32), _UNTRAINED, _NO_DENSITY, ())
    scaled = start.standardise(features)
    blocks = rows.blocks[chosen]
    start = replace(start, prototypes=_prototypes_by_block(scaled, blocks, choice.seed))
    nearest = np.empty_like(scaled)
    for block in range(BLOCKS):
        nearest[blocks == block] = start.nearest(scaled[blocks == block], block)
    plan = TrainingPlan(
        kind=ModelKind.DENOISING if choice.kind in (ModelKind.AUTO, ModelKind.WINDOWED) else choice.kind,
        members=BLOCKS,
        hidden=(int(np.clip(width // 2, 16, 64)),),
        steps=500,
        batch=128,
        code=int(np.clip(width // 4, 2, 16)),
        seed=choice.seed,
    )
    examples = Examples(rows=scaled, aside=nearest, baseline=nearest, folds=blocks)
    network = train_network(examples, plan, progress)
    untested = replace(start, network=network)
    codes = network.encode(scaled, nearest)
    densities = tuple(
        fit_density(codes[member, blocks != member], _CODE_PROTOTYPES, choice.seed) for member in range(BLOCKS)
    )
    return replace(untested, residuals=fit_density(_blind_residuals(untested, rows), 1, choice.seed), codes=densities)


def _prototypes_by_block(scaled: Floats, blocks: NDArray[np.intp], seed: int) -> Floats:
    """[BLOCKS, P, D] prototypes of the rows outside each block, so that no row is near one merely for having made it."""
    sets = []
    for block in range(BLOCKS):
        others = scaled[blocks != block] if (blocks != block).any() else scaled
        found = cluster(others[:: max(1, len(others) // 4000)], _PROTOTYPES, seed)
        sets.append(found[np.arange(_PROTOTYPES) % len(found)])
    return np.stack(sets)


def _blind_residuals(retrieval: Retrieval, rows: _Rows) -> Floats:
    """[N, D] residuals of each row by the member that did not train on its block."""
    width = len(retrieval.centre)
    out = np.empty((len(rows.features), width), np.float32)
    for block in range(BLOCKS):
        inside = np.flatnonzero(rows.blocks == block)
        for part in np.array_split(inside, max(1, len(inside) // 4096)):
            out[part] = retrieval.parts(rows.features[part, :width], block)[1][block]
    return out


def _out_of_sample(model: SequenceModel, rows: _Rows, charts: Floats, seed: int) -> dict[str, Floats]:
    """Energies [N] by witness, each block's from what did not see it."""
    out = {name: np.empty(len(rows.features), np.float32) for name in model.witnesses}
    out[ACTIVITY], out[RELATIONS] = model.activity(rows.features), furthest(charts)
    residuals = _blind_residuals(model.retrieval, rows)
    for block in range(BLOCKS):
        inside = np.flatnonzero(rows.blocks == block)
        densities = _fit_densities(rows.features[rows.outside(block)], model.channels, model.patches, seed)
        for name, density in densities.items():
            out[name][inside] = density.energy(model.blocks(rows.features[inside], name))
        for name, memory in _fit_windows(model, tuple(model.windows), rows.features[rows.outside(block)], seed).items():
            out[name][inside] = memory.energy(model.window(rows.features[inside], name))
        codes, _ = model.retrieval.parts(model.recent(rows.features[inside]), block)
        out[DENSITY][inside] = model.retrieval.codes[block].energy(codes[block])
        out[RECONSTRUCTION][inside] = fit_density(residuals[rows.outside(block)], 1, seed).energy(residuals[inside])
    return out


def _familiar(model: SequenceModel, features: Floats) -> dict[str, Floats]:
    """Energies [N] by witness, of training records by the model that was fitted on them all."""
    parts = [model.energies(features[at : at + _CHUNK]) for at in range(0, len(features), _CHUNK)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _measure_youth(
    model: SequenceModel, context: SequenceContext, history: Batch, entities: NDArray[np.intp]
) -> dict[str, Floats]:
    """By witness, [AGES] how far energies lie above their usual place while the context is that young.

    Stretches of the history are read once more, each as if it were the first that is known of its entity.
    """
    length = (1 << (AGES - 1)) + (1 << (AGES - 2))
    picks: list[NDArray[np.intp]] = []
    starts: list[NDArray[np.intp]] = []
    for mine in rows_by_entity(entities):
        reach = min(length, len(mine))
        for begin in np.unique(
            np.linspace(0, len(mine) - reach, max(2, _RESTARTS // (entities.max() + 1))).astype(int)
        ):
            picks.append(mine[begin : begin + reach])
            starts.append(np.full(reach, len(starts), np.intp))
    stretch = np.concatenate(starts)
    batch = history.take(np.concatenate(picks))
    contexts = context.extend(context.fresh([""] * len(picks)), stretch, batch)
    energies = model.energies(contexts.features)
    age = np.minimum(np.log2(contexts.seen + 1.0), AGES - 1).astype(np.intp)
    out = {}
    for name, energy in energies.items():
        levels = np.array([np.quantile(energy[age == at], _YOUTH_QUANTILES) for at in range(AGES) if (age == at).any()])
        higher = np.zeros(AGES)
        higher[: len(levels)] = np.maximum(levels - levels[-1], 0.0).max(axis=1)
        out[name] = np.maximum.accumulate(higher[::-1])[::-1].astype(np.float32)
    return out
