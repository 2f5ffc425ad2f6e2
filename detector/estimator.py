"""The whole detector as a scikit-learn outlier estimator, for notebooks and benchmarks."""

from typing import Any, Literal, Self, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ValidationError
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from latentwatch.detector.interface import Contexts
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
from latentwatch.domain.scores import Explanation, Neighbour, Scores

Rows: TypeAlias = Any
"""An array [N, F] of numbers, or a DataFrame with numbers, booleans, times, categories and text; missing values allowed.

Columns whose words are new in nearly every row, as identifiers are, are left out with a warning.
"""

FEWEST_FOR_A_WINDOW = 30


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

    def fit(self, X: Rows, y: object = None) -> Self:
        """Learn from mostly normal rows. `y` is not looked at. Raises ValueError where rows or parameters cannot be used."""
        from latentwatch.detector.training import learn  # torch enters here, not where a fitted estimator is used

        if not (isinstance(self.false_alarm_rate, float) and 0.0 < self.false_alarm_rate < 1.0):
            raise ValueError(f"false_alarm_rate must lie between 0 and 1, not {self.false_alarm_rate!r}")
        choice = self._choice()
        batch = self._learn_schema(X)
        self.window_ = self._choose_window(batch)
        self.detector_ = learn(batch, choice, self.window_)
        self.offset_ = float(np.log10(self.false_alarm_rate))
        return self

    def surprise(self, X: Rows) -> NDArray[np.float64]:
        """[N] -log10 p: 3.0 means that one normal row in a thousand looks at least this strange."""
        return self._score(X)[2].surprise.astype(np.float64)

    def score_samples(self, X: Rows) -> NDArray[np.float64]:
        """[N] minus the surprise: lower is more abnormal."""
        return -self.surprise(X)

    def decision_function(self, X: Rows) -> NDArray[np.float64]:
        """[N] negative where a row is called abnormal."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Rows) -> NDArray[np.int64]:
        """[N] 1 for normal, -1 for abnormal."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def explain(self, X: Rows) -> list[Explanation]:
        """Why each row scored as it did: expected values, each column's contribution, nearest normal rows, latent code."""
        batch, contexts, scores = self._score(X)
        found: list[Explanation] = self.detector_.explain(batch, contexts, scores)
        return [self._unshifted(explanation) for explanation in found] if self._shift.any() else found

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

    def _learn_schema(self, X: Rows) -> Batch:
        self._shift = np.zeros(0)
        if isinstance(X, pd.DataFrame) and not X.columns.is_unique:
            doubled = list(dict.fromkeys(map(str, X.columns[X.columns.duplicated()])))
            raise ValueError(f"columns named more than once: {', '.join(map(repr, doubled))}; rename them")
        if isinstance(X, pd.DataFrame) and not all_numbers(X):
            validate_data(self, X, skip_check_array=True, reset=True)
            if not len(X):
                raise ValueError("there are no rows to learn from")
            self.schema_ = schema_of_frame(X)
            return batch_of_frame(X, self.schema_)
        values = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=True)
        self._shift = shift_of(values)
        names = getattr(self, "feature_names_in_", None)
        self.schema_ = schema_of_array(
            [f"x{column}" for column in range(values.shape[1])] if names is None else [str(name) for name in names]
        )
        return batch_of_array(values, self.schema_, self._shift)

    def _batch(self, X: Rows) -> Batch:
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

    def _score(self, X: Rows) -> tuple[Batch, Contexts, Scores]:
        if not hasattr(self, "detector_"):
            check_is_fitted(self)
        batch = self._batch(X)
        encoder = self.detector_.context
        contexts = encoder.extend(encoder.fresh([""]), np.zeros(len(batch), np.intp), batch)
        return batch, contexts, self.detector_.score(batch, contexts)

    def _unshifted(self, explanation: Explanation) -> Explanation:
        """The same in the units of X."""
        shift = dict(zip(self.schema_.numbers, self._shift.tolist(), strict=True))

        def moved(values: dict[str, Value]) -> dict[str, Value]:
            return {
                name: value + shift[name] if isinstance(value, float) and name in shift else value
                for name, value in values.items()
            }

        neighbours = tuple(Neighbour(near.distance, moved(near.values)) for near in explanation.neighbours)
        return Explanation(
            moved(explanation.expected), explanation.contributions, neighbours, explanation.code, explanation.place
        )
