"""Whether the map is honest and stays put: trustworthiness, contours, distance off the surface, retraining.

Everything is measured on days that nothing was trained on.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors

from benchmarks.latent.rigs import Rigs, context_rows, spread_over, trained
from benchmarks.quality.metrics import auroc
from latentwatch.detector.sequences.detector import SequenceDetector
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.record import Batch

Floats = NDArray[np.float32]

HISTORY_DAYS = 2
HELD_OUT_DAY, FAULTY_DAY = 8, 9
"""Later than any history, those of the retrained versions included."""
HELD_OUT_RECORDS = 3_000
NEIGHBOURS, TRUSTED = 10, 15
CHAIN = 5
_CHAIN_BEGIN = 1
"""The day that the first version of a chain has learned from; each further one learns from the next."""


def measure_map(rigs: Rigs, detector: SequenceDetector) -> dict[str, float]:
    """Trustworthiness, the contours' realised shares, and how well what the map draws tells flagged records from normal ones."""
    held = rigs.days(HELD_OUT_DAY, 1)
    features, warm = context_rows(detector, held)
    features = features[warm]
    ground, coded = detector.map_ground(), detector.model.coded
    places = coded.places(coded.codes(features))
    some = spread_over(len(features), HELD_OUT_RECORDS)
    current = detector.model.layout.recent(features[some], blocks=1)
    density = ground.density_at(places)
    wide, narrow = ground.contours  # reached by 80 and by 95 %
    return {
        "trust": float(trustworthiness(current, places[some], n_neighbors=TRUSTED)),
        "contour_80": float((density >= wide).mean()),
        "contour_95": float((density >= narrow).mean()),
        "map_auroc": off_the_map(rigs, detector, held),
    }


def off_the_map(rigs: Rigs, detector: SequenceDetector, held: Batch) -> float:
    """AUROC of the larger of both halves' surprises: records of faults that are flagged, against normal records."""
    normal, _ = _off(detector, held)
    batch, truth = rigs.faulty_day(FAULTY_DAY)
    off, surprise = _off(detector, batch)
    flagged = off[truth & (surprise >= detector.threshold(AlertPolicy()))]
    return auroc(np.repeat([True, False], [len(flagged), len(normal)]), np.concatenate([flagged, normal]))


def _off(detector: SequenceDetector, batch: Batch) -> tuple[NDArray[np.float64], Floats]:
    from latentwatch.detector.sequences.context import encode

    scores = detector.score(batch, encode(detector.context, batch))
    return np.maximum(scores.reconstruction, scores.density).astype(np.float64), scores.surprise


def measure_retraining(rigs: Rigs, detector: SequenceDetector, seed: int) -> dict[str, float]:
    """What one retraining on the days that follow does to the codes of held-out records, without any alignment."""
    held = rigs.days(HELD_OUT_DAY, 1)
    after = trained(rigs.days(HISTORY_DAYS, HISTORY_DAYS), seed + 1, replaced=detector)
    old, new = (_codes(version, held) for version in (detector, after))
    return {"unexplained_after_retrain": unexplained(old, new), "neighbours_kept": neighbours_kept(old, new)}


def measure_chain(rigs: Rigs, seed: int) -> dict[str, float]:
    """What is left of the first version's codes after five retrainings, each on its own day."""
    held = rigs.days(HELD_OUT_DAY, 1)
    first = latest = trained(rigs.days(_CHAIN_BEGIN, 1), seed)
    for link in range(1, CHAIN + 1):
        latest = trained(rigs.days(_CHAIN_BEGIN + link, 1), seed + link, replaced=latest)
    return {"unexplained_after_five": unexplained(_codes(first, held), _codes(latest, held))}


def _codes(detector: SequenceDetector, held: Batch) -> Floats:
    features, warm = context_rows(detector, held)
    features = features[warm]
    return detector.model.coded.codes(features[spread_over(len(features), HELD_OUT_RECORDS)])


def unexplained(old: Floats, new: Floats) -> float:
    """Squared distance of codes [N, K] from what they were, over their variance then."""
    return float(np.square(new - old).sum() / np.square(old - old.mean(axis=0)).sum())


def neighbours_kept(old: Floats, new: Floats) -> float:
    """Of a record's nearest by old codes [N, K], the share that its new code finds among the old ones; itself apart."""
    search = NearestNeighbors(n_neighbors=NEIGHBOURS + 1).fit(old)
    before, after = (_others(search.kneighbors(codes, return_distance=False)) for codes in (old, new))
    kept = [len(np.intersect1d(a, b)) for a, b in zip(before, after, strict=True)]
    return float(np.mean(kept)) / NEIGHBOURS


def _others(found: NDArray[np.intp]) -> NDArray[np.intp]:
    """[N, k] the nearest without the record itself, or without the furthest where it is not among them."""
    itself = found == np.arange(len(found))[:, None]
    itself[~itself.any(axis=1), -1] = True
    return np.asarray(found[~itself].reshape(len(found), -1), np.intp)
