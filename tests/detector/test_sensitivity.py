"""The smallest change that is caught is told of features that have values to change, and of no others."""

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.sensitivity import smallest_changes
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.schema import RecordSchema

SCHEMA = RecordSchema.model_validate({"features": {"pressure": "numeric", "quality": "numeric"}})


def told_of(every: int, *, in_time: bool) -> dict[str, float | None]:
    """Where quality has a value in one record of so many, and whatever is beyond six is flagged."""
    random = np.random.default_rng(0)
    pressure, quality = random.normal(size=(2, 4_000))
    quality[np.arange(4_000) % every != 0] = np.nan
    batch = batch_from_columns(SCHEMA, {"pressure": pressure, "quality": quality})

    def flags(records: Batch) -> NDArray[np.bool_]:
        beyond: NDArray[np.bool_] = (np.abs(np.nan_to_num(records.numbers)) > 6).any(axis=1)
        return beyond

    return {each.feature: each.change for each in smallest_changes(batch, flags, 0, in_time=in_time)}


def test_a_sensor_that_reports_more_rarely_than_a_change_lasts_is_not_called_unseen() -> None:
    """Twelve records of a sensor that reports each sixtieth hold mostly nothing: that says nothing of what is seen."""
    assert None not in told_of(10, in_time=True).values()
    assert set(told_of(10, in_time=True)) == {"pressure", "quality"}
    assert set(told_of(60, in_time=True)) == {"pressure"}


def test_a_field_that_most_records_lack_is_not_called_unseen() -> None:
    """Of records that stand alone, as well."""
    assert set(told_of(1, in_time=False)) == {"pressure", "quality"}
    assert set(told_of(3, in_time=False)) == {"pressure"}


def test_a_change_is_not_hidden_by_the_others_that_are_tried() -> None:
    """A detector that flags what is rare among its last records: changes all over them would make one another usual."""
    random = np.random.default_rng(0)
    pressure, quality = random.normal(size=(2, 1_000))
    batch = batch_from_columns(SCHEMA, {"pressure": pressure, "quality": quality})

    def flags(records: Batch) -> NDArray[np.bool_]:
        strange = np.abs(records.numbers).max(axis=1) > 5
        before = np.concatenate([[0], np.cumsum(strange)[:-1]])
        return np.asarray(strange & (before < 3))

    told = {each.feature: each.change for each in smallest_changes(batch, flags, 0, in_time=True)}
    assert set(told) == {"pressure", "quality"}
    assert all(change is not None and change < 9 for change in told.values())


def test_what_is_never_flagged_stays_unseen() -> None:
    """Trying again, alone, finds nothing where there is nothing."""
    random = np.random.default_rng(0)
    pressure, quality = random.normal(size=(2, 1_000))
    batch = batch_from_columns(SCHEMA, {"pressure": pressure, "quality": quality})
    changes = smallest_changes(batch, lambda records: np.zeros(len(records), bool), 0, in_time=True)
    assert [each.change for each in changes] == [None, None]
