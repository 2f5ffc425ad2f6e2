"""What every detector must keep, whatever its kind: one suite, run over all of them.

Each check takes a trained detector, normal records it never saw and strange ones, and raises CheckFailed with a sentence.
"""

from collections.abc import Callable

import numpy as np

from latentwatch.detector.bundle import Bundled, decode_bundle, encode_bundle
from latentwatch.detector.interface import Contexts, Detector
from latentwatch.detector.running_context import RunningContext
from latentwatch.domain.percent import percent
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.record import Batch
from latentwatch.domain.scores import Scores


class CheckFailed(AssertionError):
    """A detector broke a promise; the message says which."""


Check = Callable[[Bundled, Batch, Batch], None]


def read(detector: Detector, batch: Batch) -> Contexts:
    """Contexts of a batch whose entities were never seen before."""
    return RunningContext(detector.context).extend(batch)


def check_purity(detector: Bundled, normal: Batch, strange: Batch) -> None:
    """The same records get the same bits, and are left as they were."""
    before = normal.numbers.copy()
    contexts = read(detector, normal)
    first, second = detector.score(normal, contexts), detector.score(normal, contexts)
    _same(first, second, "scoring twice gives different scores")
    _require(np.array_equal(before, normal.numbers, equal_nan=True), "scoring changed the records")


def check_row_order(detector: Bundled, normal: Batch, strange: Batch) -> None:
    """A row's score does not depend on where in the batch it stands."""
    contexts = read(detector, normal)
    order = np.random.default_rng(0).permutation(len(normal))
    shuffled = detector.score(normal.take(order), contexts.take(order))
    _same(detector.score(normal, contexts).take(order), shuffled, "scores depend on the order of rows")


def check_batch_equals_single(detector: Bundled, normal: Batch, strange: Batch) -> None:
    """A row scored alone gets what it gets in a batch, and none gets nothing: a stream pauses."""
    contexts = read(detector, normal)
    together = detector.score(normal, contexts)
    nothing = normal.take(slice(0, 0))
    _require(not len(detector.score(nothing, read(detector, nothing))), "no record gets a score")
    for row in range(0, len(normal), max(1, len(normal) // 20)):
        one = np.array([row])
        alone = detector.score(normal.take(one), contexts.take(one))
        _same(together.take(one), alone, f"row {row} scores differently alone")


def check_bundle_round_trip(detector: Bundled, normal: Batch, strange: Batch) -> None:
    """A detector read back from its bundle scores and explains the same, and gives the same bundle."""
    name, document, weights = encode_bundle(detector)
    again = decode_bundle(document, weights, name)
    contexts = read(detector, normal)
    scores = detector.score(normal, contexts)
    _same(scores, again.score(normal, read(again, normal)), "a bundle read back scores differently")
    _require(encode_bundle(again)[0] == name, "a bundle read back and written again has another hash")
    _require(again.bundle == name, "a detector does not know the bundle it was read from")
    few = normal.take(np.arange(2))
    here, there = (
        each.explain(few, contexts.take(np.arange(2)), scores.take(np.arange(2))) for each in (detector, again)
    )
    _require(here == there, "a bundle read back explains differently")


def check_context_goes_on(detector: Bundled, normal: Batch, strange: Batch) -> None:
    """The context of a model continues the states of another of its kind: of many entities, of one, and of none."""
    context = detector.context
    for names in ((), ("one",), ("one", "another")):
        states = context.fresh(names)
        adopted = context.adopt(states, context)
        _require(adopted is not None, "a context does not continue its own states")
        shape = None if adopted is None else adopted.shape
        _require(shape == states.shape, f"states of {len(names)} entities are continued in shape {shape}")


def check_scores_are_surprises(detector: Bundled, normal: Batch, strange: Batch) -> None:
    """Every number is finite and not negative, and of normal records about one in ten reaches 1."""
    scores = detector.score(normal, read(detector, normal))
    for part in (scores.surprise, scores.reconstruction, scores.density, *scores.components.values()):
        _require(bool(np.isfinite(part).all() and (part >= 0).all()), "a surprise is negative or not finite")
        _require(part.shape == (len(normal),), "a part of the scores has a wrong length")
    share = float((scores.surprise >= 1.0).mean())
    _require(share < 0.25, f"{percent(share)} of normal records have a surprise of 1, promised are 10 %")


def check_monotone_calibration(detector: Bundled, normal: Batch, strange: Batch) -> None:
    """No calibration in the bundle ever turns an order round."""
    knots = [array for name, array in detector.arrays().items() if name.split(".")[-1] == "knots"]
    _require(bool(knots), "no calibration in the bundle")
    _require(all(bool((np.diff(array) > 0).all()) for array in knots), "a calibration is not increasing")
    thresholds = [detector.threshold(AlertPolicy(false_alarm_rate=rate)) for rate in (0.1, 0.01, 0.001)]
    _require(thresholds == sorted(thresholds), "a smaller false-alarm rate gives a lower threshold")


def check_better_than_chance(detector: Bundled, normal: Batch, strange: Batch) -> None:
    """Strange records score higher than normal ones, on both halves too."""
    low, high = (detector.score(batch, read(detector, batch)) for batch in (normal, strange))
    for name in ("surprise", "reconstruction", "density"):
        area = float((getattr(high, name)[:, None] > getattr(low, name)[None, :]).mean())
        _require(area > 0.6, f"{name} is hardly better than chance: area under the curve {area:.2f}")


def check_explanations(detector: Bundled, normal: Batch, strange: Batch) -> None:
    """What features and what components add is not negative and sums to the surprise; everything shown is there and finite."""
    contexts = read(detector, strange)
    scores = detector.score(strange, contexts)
    rows = np.arange(min(5, len(strange)))
    found = detector.explain(strange.take(rows), contexts.take(rows), scores.take(rows))
    _require(len(found) == len(rows), "not every record is explained")
    for row, explanation in enumerate(found):
        _require(
            set(explanation.contributions) <= set(strange.schema.names), "contributions of features that are not there"
        )
        whole = float(scores.surprise[row])
        for added in (explanation.contributions, explanation.parts):
            _require(min(added.values()) >= 0.0, "a part of a surprise is negative")
            total = sum(added.values())
            _require(abs(total - whole) <= 1e-3 * max(1.0, whole), f"parts sum to {total}, not to {whole}")
        _require(set(explanation.expected) == set(strange.schema.names), "a feature without an expected value")
        _require(len(explanation.neighbours) > 0, "no normal neighbour is shown")
        _require(bool(np.isfinite([*explanation.code, *explanation.place]).all()), "the latent code is not finite")


def check_map(detector: Bundled, normal: Batch, strange: Batch) -> None:
    """The latent map has a ground between 0 and 1, and normal records lie on it."""
    ground = detector.map_ground()
    _require(ground.density.shape == (len(ground.y), len(ground.x)), "the map's ground has a wrong shape")
    _require(bool((ground.density >= 0).all() and ground.density.max() <= 1.0 + 1e-6), "the map's ground leaves 0 to 1")
    _require(ground.sample.shape[1] == 2 and len(ground.sample) > 0, "the map shows no normal record")


CHECKS: tuple[Check, ...] = (
    check_purity,
    check_row_order,
    check_batch_equals_single,
    check_bundle_round_trip,
    check_context_goes_on,
    check_scores_are_surprises,
    check_monotone_calibration,
    check_better_than_chance,
    check_explanations,
    check_map,
)


def _require(kept: bool, broken: str) -> None:
    if not kept:
        raise CheckFailed(broken)


def _same(first: Scores, second: Scores, broken: str) -> None:
    """Equal but for how a BLAS rounds a row at another place: a component's distance is a difference of products, and a row
    close to a prototype moved by 1.6e-5; the surprise, their mean, stays within 1e-5, which amending counts on."""
    _require(bool(np.allclose(first.surprise, second.surprise, rtol=1e-5, atol=1e-5)), broken)
    pairs = [
        (first.reconstruction, second.reconstruction),
        (first.density, second.density),
        *((first.components[name], second.components[name]) for name in first.components),
    ]
    for here, there in pairs:
        _require(bool(np.allclose(here, there, rtol=1e-5, atol=1e-4)), broken)
    _require(first.components.keys() == second.components.keys(), broken)
