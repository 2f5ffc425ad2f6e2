"""Which features a record's surprise is about: each component's part is split by what calms that component.

parts p_k of the whole, surprises s_k [N] -> contributions [N, F], not negative, which sum to the whole

With x the context row and x without f the same with feature f as the others predict, f relieves component k by

    r_kf = max(0, s_k(x) - s_k(x without f))

and adds p_k r_kf / sum over f of r_kf: occlusion (Zeiler and Fergus 2014), with the conditional mean for what is occluded.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.interface import Contexts

Floats: TypeAlias = NDArray[np.float32]

_MOST_TRIED = 6
"""Features of a record that are tried: a wide record costs no more than a narrow one, 3 times what not trying any does."""
_OCCLUDED_AT_A_TIME = 4_096
"""Context rows that are scored again at once: bounds what that takes."""


def suspects(*evidence: Floats) -> NDArray[np.intp]:
    """[N, K] the features of each record that may be to blame, by several kinds of evidence [N, F], none of them negative.

    Each kind counts by a feature's share in it.
    """
    likely = np.max([_shares(kind) for kind in evidence], axis=0)
    return np.argsort(-likely, axis=1, kind="stable")[:, :_MOST_TRIED]


def relief_by_feature(
    ask: Callable[[Floats, NDArray[np.int64]], Mapping[str, Floats]],
    without: Callable[[Floats, NDArray[np.bool_]], Floats],
    contexts: Contexts,
    of_features: NDArray[np.bool_],
    tried: NDArray[np.intp],
) -> dict[str, Floats]:
    """[N, F] by how much each component's surprise falls where a feature is as the others predict; 0 where that is not tried.

    `ask` gives surprises [M] by name of context rows [M, D] with so many records before them, `without` context rows without
    the channels marked in [M, C]; `of_features` [F, C] marks each feature's channels, `tried` [N, K] are features.
    """
    (count, each), found = tried.shape, []
    step = max(1, _OCCLUDED_AT_A_TIME // max(1, each))
    for start in range(0, max(1, count), step):
        part, these = contexts.take(np.arange(start, min(start + step, count))), tried[start : start + step]
        occluded = without(np.repeat(part.features, each, axis=0), of_features[these.ravel()])
        calmed = ask(occluded, np.repeat(part.seen, each))
        relief = {}
        for name, now in ask(part.features, part.seen).items():
            relief[name] = np.zeros((len(these), len(of_features)), np.float32)
            fall = np.maximum(now[:, None] - calmed[name].reshape(these.shape), 0.0)
            np.put_along_axis(relief[name], these, fall, axis=1)
        found.append(relief)
    return {name: np.concatenate([each[name] for each in found]) for name in found[0]}


def contributions(
    parts: Sequence[Mapping[str, float]], relief: Mapping[str, Floats], otherwise: Floats
) -> NDArray[np.float64]:
    """[N, F] what each feature adds to the surprise: every part by its own component's relief [N, F], by name.

    A part that no single feature relieves is split as the other parts together are; where nothing relieves any, by
    `otherwise` [N, F], and where that is all 0 equally.
    """
    amounts = {name: np.array([part.get(name, 0.0) for part in parts], np.float64) for name in relief}
    shares = {name: _shares(each) for name, each in relief.items()}
    speaks = {name: each.any(axis=1) for name, each in shares.items()}
    own = np.zeros(otherwise.shape, np.float64)
    for name, amount in amounts.items():
        own += np.where(speaks[name], amount, 0.0)[:, None] * shares[name]
    whole = np.array([sum(part.values()) for part in parts], np.float64)
    left = whole - own.sum(axis=1)
    rest = _shares(own)
    rest = np.where(rest.any(axis=1, keepdims=True), rest, _shares(otherwise))
    rest = np.where(rest.any(axis=1, keepdims=True), rest, 1.0 / otherwise.shape[1])
    return np.asarray(own + np.maximum(left, 0.0)[:, None] * rest)


def _shares(amounts: Floats | NDArray[np.float64]) -> NDArray[np.float64]:
    """[N, F] each amount's share in its row's sum; 0 where that is 0."""
    wide = np.asarray(amounts, np.float64)
    total = wide.sum(axis=1, keepdims=True)
    return np.asarray(wide / np.where(total > 0, total, 1.0))
