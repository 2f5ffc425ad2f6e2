"""What an estimator does in its latent space: codes of rows, rows of codes, and synthetic rows."""

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from latentwatch.detector.groups_and_times import Role, unnamed
from latentwatch.detector.reading import Reading
from latentwatch.detector.running_context import RunningContext
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.model_choice import ModelChoice
from latentwatch.domain.record import Batch

if TYPE_CHECKING:
    from latentwatch.detector.bundle import Bundled
    from latentwatch.detector.rows.sampling import RowSampler
    from latentwatch.detector.sequences.sampling import RecordSampler

Rows: TypeAlias = Any
"""As `latentwatch.detector.estimator` has them."""


class LatentSpaceMixin:
    """`transform`, `inverse_transform` and `sample` of `LatentDetector`."""

    detector_: "Bundled"
    reading_: Reading
    window_: int
    _history: Batch | None = None
    """The rows of the last `fit`."""
    _sampler: "RecordSampler | RowSampler | None" = None

    if TYPE_CHECKING:

        def fit(self, X: Rows, y: object = None, *, groups: Role = None, times: Role = None) -> Any: ...
        def _read(self, X: Rows, groups: Role, times: Role) -> Batch: ...
        def _choice(self) -> ModelChoice: ...
        def _seed(self) -> int: ...

    def fit_transform(
        self, X: Rows, y: object = None, *, groups: Role = None, times: Role = None
    ) -> NDArray[np.float32]:
        """`fit` and `transform` of the same rows."""
        self.fit(X, y, groups=groups, times=times)
        return self.transform(X, groups=unnamed(groups), times=unnamed(times))

    def transform(self, X: Rows, *, groups: Role = None, times: Role = None) -> NDArray[np.float32]:
        """[N, K] latent codes.

        With a window of the record and its recent past, the first row of a group having none. Without, of the row alone.
        """
        batch = self._read(X, groups, times)
        return self.detector_.codes(batch, RunningContext(self.detector_.context).extend(batch))

    def inverse_transform(self, Z: Any) -> Rows:
        """[N, F] the mean record at codes Z [N, K], a frame where it learned from one; groups count as one they never met.

        Raises ValueError where Z is not of K columns.
        """
        check_is_fitted(self)
        return self._rows_of(self.detector_.decoded(np.asarray(Z, np.float32)))

    def sample(self, n_samples: int = 1, random_state: Any = None) -> Rows:
        """[n_samples, F] synthetic normal rows, a frame where it learned from one, with a column of groups where it had one.

        The first call trains what is sampled from, on the rows of the last `fit`, which takes some seconds. With a window a
        row is one record of a group, never a stretch of time. A time comes as the features that were read of it. By default
        `random_state` is the estimator's.

        Raises InvalidInput for kinds that cannot sample, with text, and where the training rows are not there: in an estimator
        that was loaded, or made of a version.
        """
        check_is_fitted(self)
        if n_samples < 1:
            raise ValueError(f"n_samples must be at least 1, not {n_samples}")
        if self._sampler is None:
            self._sampler = self._learn_to_sample()
        random = check_random_state(self._seed() if random_state is None else random_state)
        records, owners = self._sampler.draw(int(n_samples), random)
        rows = self._rows_of(records)
        entity = self.reading_.schema.entity
        if isinstance(rows, pd.DataFrame) and isinstance(entity, str):
            rows.insert(0, entity, owners)
        return rows

    def __getstate__(self) -> Any:
        """Without the training rows, and what was learned from them to sample: it may be handed on."""
        state: Any = super().__getstate__()
        return {name: value for name, value in state.items() if name not in ("_history", "_sampler")}

    def _remember(self, history: Batch | None) -> None:
        """What `sample` learns from when it is first called."""
        self._history, self._sampler = history, None

    def _learn_to_sample(self) -> "RecordSampler | RowSampler":
        from latentwatch.detector.latent.sampling import refuse_to_sample

        choice = self._choice()
        refuse_to_sample(choice.kind)
        if self._history is None:
            raise InvalidInput(
                "sampling learns from the training rows, which an estimator that was loaded does not hold; fit it again"
            )
        if self.window_ == 1:
            from latentwatch.detector.rows.sampling import fit_row_sampler

            return fit_row_sampler(self._history, choice.kind, choice.seed)
        from latentwatch.detector.forecasts.detector import ForecastDetector
        from latentwatch.detector.sequences.sampling import fit_record_sampler

        detector: Any = self.detector_
        components = detector.components if isinstance(detector, ForecastDetector) else detector
        return fit_record_sampler(components.context, self._history, choice.kind, choice.seed)

    def _rows_of(self, records: list[dict[str, Any]]) -> Rows:
        """Records as X has them."""
        names = list(self.reading_.schema.names)
        frame = pd.DataFrame([self.reading_.values(record) for record in records], columns=names)
        return frame if hasattr(self, "feature_names_in_") else frame.to_numpy(np.float64)
