"""The whole detector as a scikit-learn outlier estimator, for notebooks and benchmarks."""

from dataclasses import replace
from typing import Any, Literal, Self, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ValidationError
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from latentwatch.detector.explained_frame import frame_of
from latentwatch.detector.interface import Contexts
from latentwatch.detector.roles import Role, Roles, check_order, take_roles
from latentwatch.detector.running_context import RunningContext
from latentwatch.detector.sequences.choice import choose_window
from latentwatch.detector.tables import (
    all_numbers,
    batch_of_array,
    batch_of_frame,
    schema_of_array,
    schema_of_frame,
    shift_of,
)
from latentwatch.domain.monitor import ModelChoice
from latentwatch.domain.record import Batch, Value
from latentwatch.domain.schema import RecordSchema
from latentwatch.domain.scores import Explanation, Neighbour, Scores

Rows: TypeAlias = Any
"""An array [N, F] of numbers, or a DataFrame with numbers, booleans, times, categories and text; missing values allowed.

Columns whose words are new in nearly every row, as identifiers are, are left out with a warning.
"""

FEWEST_FOR_A_WINDOW = 30
_SECOND = 1_000_000
"""Microseconds between rows without times."""


class LatentDetector(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """Learns what normal rows look like and says how surprising a row is: -log10 of the chance that a normal row is
    at least as strange.

    Parameters
    ----------
    kind : how the autoencoder learns: "auto", "denoising", "variational", "disentangled", "adversarial", "linear".
    effort : "light", "balanced" or "full": how hard scoring may work. With a window, light looks at no whole windows and
        full shows their shape to the autoencoder as well.
    window : 1 scores each row on its own. More: rows are consecutive samples of one entity, each scored from the rows
        up to it, about so many back. "auto" chooses from the training rows.
    density : without a window, the density of the latent code: "auto", "gaussian", "mixture", "prototypes".
    follow_drift : with a window, whether levels that drift slowly are followed: "auto" (where the training rows drift), True
        or False.
    false_alarm_rate : share of normal rows that `predict` may call abnormal.
    random_state : seed of everything random.

    Rows of several machines, customers or runs are told apart by `groups`, and when they were taken by `times`: a column's
    name, given to `fit` and found again from then on, or an array [N] beside X, given to every method. With a window each
    group has a past of its own; without, levels of its own. Times matter with a window: after a long silence the
    past says nothing. Without them rows are taken to be evenly spaced.

    A parameter that would change nothing with the window given is refused; with window="auto" both families may count.

    Attributes
    ----------
    detector_ : the trained detector, as it serves in production.
    window_ : the window in force.
    offset_ : minus the surprise from which a row is called abnormal.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(60, 2))
    >>> model = LatentDetector(kind="linear").fit(X)
    >>> model.predict([[0.0, 0.0], [9.0, -9.0]]).tolist()
    [1, -1]
    """

    def __init__(
        self,
        kind: str = "auto",
        effort: str = "balanced",
        window: int | Literal["auto"] = 1,
        density: str = "auto",
        follow_drift: bool | Literal["auto"] = "auto",
        false_alarm_rate: float = 0.01,
        random_state: Any = 0,
    ) -> None:
        self.kind = kind
        self.effort = effort
        self.window = window
        self.density = density
        self.follow_drift = follow_drift
        self.false_alarm_rate = false_alarm_rate
        self.random_state = random_state

    def fit(self, X: Rows, y: object = None, *, groups: Role = None, times: Role = None) -> Self:
        """Learn from mostly normal rows. `y` is not looked at. Raises ValueError where rows or parameters cannot be used."""
        from latentwatch.detector.training import learn  # torch enters here, not where a fitted estimator is used

        if not (isinstance(self.false_alarm_rate, float) and 0.0 < self.false_alarm_rate < 1.0):
            raise ValueError(f"false_alarm_rate must lie between 0 and 1, not {self.false_alarm_rate!r}")
        choice = self._choice()
        features, roles = take_roles(X, groups, times)
        batch = _with_roles(self._learn_schema(features, groups, times), roles)
        self.window_ = self._choose_window(batch)
        if self.window_ > 1:
            check_order(roles, len(batch))
        self._given = (groups is not None, times is not None)
        self.detector_ = learn(batch, choice, self.window_)
        self.offset_ = float(np.log10(self.false_alarm_rate))
        self.reset_stream()
        return self

    def fit_predict(self, X: Rows, y: object = None, *, groups: Role = None, times: Role = None) -> NDArray[np.int64]:
        """`fit` and `predict` of the same rows: without a window at the promised rate, with one at less than it."""
        fitted = self.fit(X, y, groups=groups, times=times)
        return fitted.predict(X, groups=_unnamed(groups), times=_unnamed(times))

    def surprise(self, X: Rows, *, groups: Role = None, times: Role = None) -> NDArray[np.float64]:
        """[N] -log10 p: 3.0 means that one normal row in a thousand looks at least this strange.

        With a window the first row of a group has no past, whatever was scored before; see `score_stream`.
        """
        return self._score(X, groups, times)[2].surprise.astype(np.float64)

    def score_samples(self, X: Rows, *, groups: Role = None, times: Role = None) -> NDArray[np.float64]:
        """[N] minus the surprise: lower is more abnormal."""
        return -self.surprise(X, groups=groups, times=times)

    def decision_function(self, X: Rows, *, groups: Role = None, times: Role = None) -> NDArray[np.float64]:
        """[N] negative where a row is called abnormal."""
        return self.score_samples(X, groups=groups, times=times) - self.offset_

    def predict(self, X: Rows, *, groups: Role = None, times: Role = None) -> NDArray[np.int64]:
        """[N] 1 for normal, -1 for abnormal."""
        return np.where(self.decision_function(X, groups=groups, times=times) < 0, -1, 1)

    def score_stream(self, X: Rows, *, groups: Role = None, times: Role = None) -> NDArray[np.float64]:
        """[N] the surprise of rows that follow those of earlier calls: a stream in pieces scores as it would in one.

        `fit` and `reset_stream` begin anew. Each group's past is kept; not safe to call from several threads at once.
        """
        if not hasattr(self, "detector_"):
            check_is_fitted(self)
        batch = self._batch(X, groups, times)
        if not self._given[1]:
            batch = replace(batch, times=batch.times + self._stream.rows * _SECOND)
        return self.detector_.score(batch, self._stream.extend(batch)).surprise.astype(np.float64)

    def reset_stream(self) -> None:
        """Let the next row of `score_stream` be the first of its group."""
        check_is_fitted(self)
        self._stream = RunningContext(self.detector_.context)

    def explain(
        self, X: Rows, *, groups: Role = None, times: Role = None, as_frame: bool = False
    ) -> list[Explanation] | pd.DataFrame:
        """Why each row scored as it did: expected values, each column's contribution, nearest normal rows, latent code.

        With `as_frame` a data frame of what can be read as a table: one line for each row (by the index of X) and feature,
        with its `value`, what was `expected` and its `contribution`, in surprise, the largest of a row first.
        """
        batch, contexts, scores = self._score(X, groups, times)
        found: list[Explanation] = self.detector_.explain(batch, contexts, scores)
        found = [self._unshifted(explanation) for explanation in found] if self._shift.any() else found
        if not as_frame:
            return found
        values = [self._moved(row) for row in batch.all_values()] if self._shift.any() else batch.all_values()
        return frame_of(found, values, X.index if isinstance(X, pd.DataFrame) else pd.RangeIndex(len(batch)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def _choice(self) -> ModelChoice:
        parameters = {
            "kind": self.kind,
            "effort": self.effort,
            "density": self.density,
            "follow_drift": self.follow_drift,
            "seed": self._seed(),
        }
        try:
            choice = ModelChoice.model_validate(parameters)
        except ValidationError as error:
            wrong = error.errors()[0]
            raise ValueError(
                f"{wrong['loc'][0]}={wrong['input']!r}: {wrong['msg'].removeprefix('Value error, ').lower()}"
            ) from None
        for name, reason in choice.idle(self.window).items():
            raise ValueError(f"{name}: {reason}")
        return choice

    def _seed(self) -> int:
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _choose_window(self, batch: Batch) -> int:
        if self.window == "auto":
            return choose_window(batch)
        window = int(self.window) if isinstance(self.window, int | np.integer) else 0
        if window < 1:
            raise ValueError(f"window must be 'auto' or a whole number of rows, at least 1, not {self.window!r}")
        if window > 1 and batch.schema.texts:
            raise ValueError("text is read only where each row is scored on its own; use window=1")
        if window > 1 and len(batch) < FEWEST_FOR_A_WINDOW:
            raise ValueError(
                f"a window needs at least {FEWEST_FOR_A_WINDOW} rows, there are {len(batch)}; use window=1"
            )
        return window

    def _learn_schema(self, X: Rows, groups: Role, times: Role) -> Batch:
        batch = self._learn_features(X)
        entity, time = (role if isinstance(role, str) else None for role in (groups, times))
        self.schema_ = RecordSchema(time=time, entity=entity, features=batch.schema.features)
        return replace(batch, schema=self.schema_)

    def _learn_features(self, X: Rows) -> Batch:
        self._shift = np.zeros(0)
        if isinstance(X, pd.DataFrame) and not X.columns.is_unique:
            doubled = list(dict.fromkeys(map(str, X.columns[X.columns.duplicated()])))
            raise ValueError(f"columns named more than once: {', '.join(map(repr, doubled))}; rename them")
        if isinstance(X, pd.DataFrame) and not all_numbers(X):
            validate_data(self, X, skip_check_array=True, reset=True)
            if not len(X):
                raise ValueError("there are no rows to learn from")
            return batch_of_frame(X, schema_of_frame(X))
        values = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=True)
        self._shift = shift_of(values)
        names = getattr(self, "feature_names_in_", None)
        schema = schema_of_array(
            [f"x{column}" for column in range(values.shape[1])] if names is None else [str(name) for name in names]
        )
        return batch_of_array(values, schema, self._shift)

    def _batch(self, X: Rows, groups: Role, times: Role) -> Batch:
        """Rows as they were learned. Raises ValueError where groups or times are lacking, or are given and were not then."""
        groups, times = (
            learned if given is None else given
            for given, learned in ((groups, self.schema_.entity), (times, self.schema_.time))
        )
        if groups is None and times is None and not any(self._given):
            return self._features(X)
        if self.window_ == 1 and isinstance(times, str) and not (isinstance(X, pd.DataFrame) and times in X.columns):
            times = None  # what is scored on its own has no need of its time
        for name, role, learned in zip(("groups", "times"), (groups, times), self._given, strict=True):
            if learned != (role is not None) and (name == "groups" or self.window_ > 1):
                asked = f"give {name} as well" if learned else f"leave {name} out, or learn with them"
                raise ValueError(f"the detector learned with{'' if learned else 'out'} {name}; {asked}")
        features, roles = take_roles(X, groups, times)
        named = [name for name in (self.schema_.entity, self.schema_.time) if name is not None]
        if isinstance(features, pd.DataFrame):
            features = features.drop(columns=named, errors="ignore")
        batch = _with_roles(self._features(features), roles)
        if self.window_ > 1:
            check_order(roles, len(batch))
        return batch

    def _features(self, X: Rows) -> Batch:
        if len(self._shift):
            if not self._plainly_numbers(X):
                X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
            return batch_of_array(X, self.schema_, self._shift)
        if not isinstance(X, pd.DataFrame):
            raise ValueError(
                "the detector learned from a DataFrame with columns that are not numbers; give one like it"
            )
        validate_data(self, X, skip_check_array=True, reset=False)
        return batch_of_frame(X, self.schema_)

    def _plainly_numbers(self, X: Rows) -> bool:
        """Whether scikit-learn's checks, which take longer than scoring a record, would find nothing to say."""
        if type(X) is not np.ndarray or X.dtype != np.float64 or hasattr(self, "feature_names_in_"):
            return False
        with np.errstate(all="ignore"):
            return X.ndim == 2 and len(X) > 0 and X.shape[1] == self.n_features_in_ and bool(np.isfinite(X.sum()))

    def _score(self, X: Rows, groups: Role = None, times: Role = None) -> tuple[Batch, Contexts, Scores]:
        if not hasattr(self, "detector_"):
            check_is_fitted(self)
        batch = self._batch(X, groups, times)
        contexts = RunningContext(self.detector_.context).extend(batch)
        return batch, contexts, self.detector_.score(batch, contexts)

    def _unshifted(self, explanation: Explanation) -> Explanation:
        """The same in the units of X."""
        neighbours = tuple(Neighbour(near.distance, self._moved(near.values)) for near in explanation.neighbours)
        return replace(explanation, expected=self._moved(explanation.expected), neighbours=neighbours)

    def _moved(self, values: dict[str, Value]) -> dict[str, Value]:
        """Values of features in the units of X."""
        shift = dict(zip(self.schema_.numbers, self._shift.tolist(), strict=True))
        return {
            name: value + shift[name] if isinstance(value, float) and name in shift else value
            for name, value in values.items()
        }


def _with_roles(batch: Batch, roles: Roles) -> Batch:
    known = {name: values for name, values in roles._asdict().items() if values is not None}
    return replace(batch, **known) if known else batch


def _unnamed(role: Role) -> Role:
    """What `predict` is to be given after `fit` was given `role`: a name is known by then."""
    return None if isinstance(role, str) else role
