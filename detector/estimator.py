"""The whole detector as a scikit-learn outlier estimator, for notebooks and benchmarks."""

from dataclasses import replace
from functools import partial
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ValidationError
from sklearn import config_context
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import TransformerTags, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from latentwatch.detector.explained_frame import frame_of
from latentwatch.detector.groups_and_times import Role, Roles, check_order, unnamed
from latentwatch.detector.interface import Contexts
from latentwatch.detector.latent_mixin import LatentSpaceMixin
from latentwatch.detector.reading import Reading
from latentwatch.detector.running_context import RunningContext
from latentwatch.detector.sequences.choice import choose_window
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.model_choice import ModelChoice
from latentwatch.domain.record import Batch
from latentwatch.domain.scores import Explanation, Scores

if TYPE_CHECKING:
    from latentwatch.detector.bundle import Bundled

Rows: TypeAlias = Any
"""An array [N, F] of numbers, or a DataFrame with numbers, booleans, times, categories and text; missing values allowed.

Columns whose words are new in nearly every row, as identifiers are, are left out with a warning.
"""

FEWEST_FOR_A_WINDOW = 30
_SECOND = 1_000_000
"""Microseconds between rows without times."""


class LatentDetector(LatentSpaceMixin, OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """Learns what normal rows look like and says how surprising a row is: -log10 of the chance that a normal row is
    at least as strange.

    Parameters
    ----------
    kind : how the autoencoder learns: "auto" (variational), "denoising", "variational", "disentangled", "adversarial", "linear".
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
    reading_, schema_ : how X is read, and the features found in it.
    offset_ : minus the surprise from which a row is called abnormal.
    n_samples_fit_ : how many rows it learned from; None where a bundle does not say.
    span_ : when the first and the last of them were taken, microseconds since 1970 UTC; None without times.

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

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        """With every parameter: the rate that was promised is news also where it is the usual one."""
        with config_context(print_changed_only=False):
            return str(super().__repr__(N_CHAR_MAX))

    def fit(self, X: Rows, y: object = None, *, groups: Role = None, times: Role = None) -> Self:
        """Learn from mostly normal rows. `y` is not looked at.

        Raises ValueError where rows or parameters cannot be used, InvalidInput where torch is needed and not installed.
        """
        self._learn(X, groups, times)
        return self

    def _learn(self, X: Rows, groups: Role, times: Role) -> NDArray[np.float32] | None:
        """With a window the surprise [N] of each row by what did not learn from it."""
        from latentwatch.detector.training import (
            learn_and_judge,
        )  # torch enters here, not where a fitted estimator is used

        if not (isinstance(self.false_alarm_rate, float | np.floating) and 0.0 < self.false_alarm_rate < 1.0):
            raise ValueError(f"false_alarm_rate must lie between 0 and 1, not {self.false_alarm_rate!r}")
        choice = self._choice()
        self.reading_, batch = Reading.learn(X, groups, times, partial(self._validated, reset=True))
        self.window_ = self._choose_window(batch)
        if self.window_ > 1:
            check_order(Roles(batch.entities, batch.times), len(batch))
        try:
            self.detector_, surprise = learn_and_judge(batch, choice, self.window_)
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise InvalidInput(
                "torch, which trains every kind of autoencoder but 'linear', is not installed; install "
                "'latentwatch[train]', or use kind='linear'"
            ) from None
        self.schema_ = self.reading_.schema
        self.n_samples_fit_: int | None = len(batch)
        self.span_ = self.reading_.span(batch)
        self.offset_ = float(np.log10(self.false_alarm_rate))
        self._remember(batch)
        self.reset_stream()
        return surprise

    def fit_predict(self, X: Rows, y: object = None, *, groups: Role = None, times: Role = None) -> NDArray[np.int64]:
        """`fit`, and which of the same rows are abnormal, at the promised rate.

        With a window each row is judged by what learned from other stretches of time; `fit(X).predict(X)` would call few
        abnormal, as the past that a row is compared with then holds the row itself.
        """
        out_of_fold = self._learn(X, groups, times)
        if out_of_fold is None:
            return self.predict(X, groups=unnamed(groups), times=unnamed(times))
        return np.where(-out_of_fold.astype(np.float64) < self.offset_, -1, 1)

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
        batch = self._read(X, groups, times)
        if not self.reading_.timed and times is None:
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
        found = [self.reading_.explanation(each) for each in self.detector_.explain(batch, contexts, scores)]
        if not as_frame:
            return found
        values = [self.reading_.values(row) for row in batch.all_values()]
        return frame_of(found, values, X.index if isinstance(X, pd.DataFrame) else pd.RangeIndex(len(batch)))

    def plot_map(self, X: Rows | None = None, *, groups: Role = None, times: Role = None, ax: Any = None) -> Any:
        """Draw where normal rows lie in two directions of the latent code, and those of X, abnormal ones in red.

        Every row of X is explained, which takes .1 to 1 ms each. Returns matplotlib's axes, new ones unless `ax` is given.
        Raises InvalidInput where matplotlib is not installed.
        """
        from latentwatch.detector.plots import draw_map, require_matplotlib

        require_matplotlib()
        check_is_fitted(self)
        places, flagged = np.zeros((0, 2)), np.zeros(0, bool)
        if X is not None:
            batch, contexts, scores = self._score(X, groups, times)
            places = np.array([found.place for found in self.detector_.explain(batch, contexts, scores)])
            flagged = -scores.surprise.astype(np.float64) < self.offset_
        return draw_map(ax, self.detector_.map_ground(), places, flagged)

    def plot_explanation(
        self, X: Rows, row: int = -1, *, groups: Role = None, times: Role = None, ax: Any = None
    ) -> Any:
        """Draw what each feature contributes to the surprise of one row of X, by its position, the last by default.

        With a window the rows before it are its past. Returns matplotlib's axes, new ones unless `ax` is given. Raises
        InvalidInput where matplotlib is not installed, IndexError where X has no such row.
        """
        from latentwatch.detector.plots import draw_explanation, require_matplotlib

        require_matplotlib()
        batch, contexts, scores = self._score(X, groups, times)
        chosen = np.arange(len(batch))[[row]]
        one = batch.take(chosen)
        found = self.detector_.explain(one, contexts.take(chosen), scores.take(chosen))[0]
        values = self.reading_.values(one.values(0))
        return draw_explanation(ax, self.reading_.explanation(found), values, float(scores.surprise[chosen[0]]))

    def save(self, path: str | PathLike[str]) -> None:
        """Write the fitted estimator to a folder or fsspec URL, over one that is there: JSON and safetensors, no pickle.

        The latest state of `score_stream` is not part of it, nor is a `random_state` that is no number.
        """
        from latentwatch.detector.saved_estimator import Learned, Parameters, write_estimator

        check_is_fitted(self)
        seed = int(self.random_state) if isinstance(self.random_state, int | np.integer) else None
        window = self.window if self.window == "auto" else int(self.window)
        rate = float(self.false_alarm_rate)
        parameters = Parameters(
            **{**self.get_params(), "window": window, "random_state": seed, "false_alarm_rate": rate}
        )
        names = getattr(self, "feature_names_in_", None)
        learned = Learned(
            offset=self.offset_,
            width=int(self.n_features_in_),
            columns=None if names is None else names.tolist(),
            rows=self.n_samples_fit_,
            span=self.span_,
            time=self.schema_.time,
            entity=self.schema_.entity if isinstance(self.schema_.entity, str) else None,
            **{name: getattr(self.reading_, name) for name in ("shift", "grouped", "timed", "by_name")},
        )
        write_estimator(fspath(path), self.detector_, parameters, learned)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """The estimator that `save` wrote to a folder or fsspec URL, or that of a bundle's own folder, at a false-alarm
        rate of 1 %.

        Raises NotFound where neither is there, and BundleRefused, with the reason, where what is there cannot be used.
        """
        from latentwatch.detector.saved_estimator import read_estimator

        saved, detector = read_estimator(fspath(path))
        if saved is None:
            return cls.of_detector(detector)
        learned = saved.learned
        model = cls(**saved.parameters.model_dump())
        model._take_up(detector, learned.reading(detector.schema), learned.offset, learned.width, learned.columns)
        model.n_samples_fit_, model.span_ = learned.rows, learned.span
        return model

    @classmethod
    def of_detector(cls, detector: "Bundled", surprise: float = 2.0, **parameters: Any) -> Self:
        """An estimator that scores with a trained detector and calls rows abnormal from that surprise on.

        X is a frame with the detector's features as columns, by name or path, others being left aside, or, where all
        features are numbers, an array with them in order. Groups and times are found in the columns that the detector names.
        """
        model = cls(**{"kind": detector.kind, "false_alarm_rate": 10.0**-surprise, **parameters})
        names = list(detector.schema.names)
        model._take_up(detector, Reading.of_schema(detector.schema), -surprise, len(names), names)
        model.window, model.n_samples_fit_, model.span_ = model.window_, None, None
        return model

    def _take_up(
        self, detector: "Bundled", reading: Reading, offset: float, width: int, columns: list[str] | None
    ) -> None:
        self.detector_, self.schema_, self.offset_, self.reading_ = detector, reading.schema, offset, reading
        self.window_ = max(detector.context.warm_after, 1)
        self.n_features_in_ = width
        if columns is not None:
            self.feature_names_in_ = np.array(columns, object)
        self._remember(None)
        self.reset_stream()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags = TransformerTags(preserves_dtype=[])
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

    def _validated(self, X: Rows, numbers: bool, *, reset: bool = False) -> Rows:
        if not numbers:
            validate_data(self, X, skip_check_array=True, reset=reset)
            return X
        if not reset and self._plainly_numbers(X):
            return X
        return validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=reset)

    def _plainly_numbers(self, X: Rows) -> bool:
        """Whether scikit-learn's checks, which take longer than scoring a record, would find nothing to say."""
        if type(X) is not np.ndarray or X.dtype != np.float64 or hasattr(self, "feature_names_in_"):
            return False
        with np.errstate(all="ignore"):
            return X.ndim == 2 and len(X) > 0 and X.shape[1] == self.n_features_in_ and bool(np.isfinite(X.sum()))

    def _read(self, X: Rows, groups: Role, times: Role) -> Batch:
        if not hasattr(self, "detector_"):
            check_is_fitted(self)
        return self.reading_.batch(X, groups, times, self.detector_.context.state_size > 0, self._validated)

    def _score(self, X: Rows, groups: Role = None, times: Role = None) -> tuple[Batch, Contexts, Scores]:
        batch = self._read(X, groups, times)
        contexts = RunningContext(self.detector_.context).extend(batch)
        return batch, contexts, self.detector_.score(batch, contexts)
