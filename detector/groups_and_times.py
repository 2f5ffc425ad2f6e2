"""Whose rows they are and when they were taken: columns of a data frame that are named once, or arrays beside it.

X [N, F], groups, times -> X without those columns, Roles
"""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentwatch.detector.entities import rows_by_entity
from latentwatch.domain.times import NO_TIME, bounded, parse_times

Role: TypeAlias = Any
"""The name of a data frame's column, or one value for each row [N]; None where rows have no such thing."""


class Roles(NamedTuple):
    """What is known of N rows beside their features."""

    entities: NDArray[np.object_] | None
    """[N] of str."""
    times: NDArray[np.int64] | None
    """[N] microseconds since 1970 UTC."""
    timezone: str = "UTC"
    """Whose clock the times were given by: the zone of a column that has a named one."""


def take_roles(X: Any, groups: Role, times: Role, day_first: bool | None = None) -> tuple[Any, Roles]:
    """X without the columns that are named, and what they or the arrays say; `day_first` as in `parse_times`.

    Raises ValueError for a column that is not there, an array of another length, and values that are missing or no times.
    """
    entities, moments = _values(X, groups, "groups"), _values(X, times, "times")
    named = [role for role in (groups, times) if isinstance(role, str)]
    roles = Roles(
        None if entities is None else _names(entities),
        None if moments is None else _moments(moments, day_first),
        _zone(moments),
    )
    return X.drop(columns=named) if named else X, roles


def check_order(roles: Roles, count: int) -> None:
    """Raise ValueError where `count` rows with times are not in order of time, each group's on its own."""
    if roles.times is None:
        return
    entities = np.full(count, "", object) if roles.entities is None else roles.entities
    for rows in rows_by_entity(entities):
        back = np.flatnonzero(np.diff(roles.times[rows]) < 0)
        if len(back):
            whose = f" of group {entities[rows[0]]!r}" if entities[rows[0]] else ""
            raise ValueError(
                f"with a window rows must be in order of time, and row {rows[back[0] + 1]}{whose} lies before the one "
                "ahead of it; sort them by time first"
            )


def unnamed(role: Role) -> Role:
    """What `predict` is to be given after `fit` was given `role`: a name is known by then."""
    return None if isinstance(role, str) else role


def _values(X: Any, role: Role, what: str) -> Any:
    if role is None:
        return None
    if isinstance(role, str):
        if not isinstance(X, pd.DataFrame) or role not in X.columns:
            has = f"it has {', '.join(map(str, X.columns))}" if isinstance(X, pd.DataFrame) else "X is no DataFrame"
            raise ValueError(f"{what}={role!r} names no column of X; {has}")
        return X[role]
    if np.ndim(role) != 1 or len(role) != len(X):
        raise ValueError(f"{what} must hold one value for each of the {len(X)} rows, not shape {np.shape(role)}")
    return role


def _names(values: Any) -> NDArray[np.object_]:
    column = pd.Series(np.asarray(values, object) if not isinstance(values, pd.Series) else values.to_numpy(object))
    if column.isna().any():
        raise ValueError(f"groups: row {int(column.isna().to_numpy().argmax())} has none; every row needs its group")
    return np.asarray(column.map(str).to_numpy(object))


def _moments(values: Any, day_first: bool | None) -> NDArray[np.int64]:
    column = pd.Series(values) if not isinstance(values, pd.Series) else values
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        zoned = column.dt.tz_convert("UTC").dt.tz_localize(None) if column.dt.tz is not None else column
        moments = bounded(zoned.to_numpy("datetime64[us]").astype(np.int64))
    else:
        moments = parse_times(column.tolist(), day_first)
    wrong = np.flatnonzero(moments == NO_TIME)
    if len(wrong):
        raise ValueError(
            f"times: row {wrong[0]} holds {column.iloc[int(wrong[0])]!r}, which is no time between 1900 and 2262"
        )
    return moments


def _zone(values: Any) -> str:
    """The name of the zone that times are in, UTC where they have none or one without a name."""
    zone = getattr(getattr(values, "dtype", None), "tz", None)
    return str(getattr(zone, "key", "UTC"))
