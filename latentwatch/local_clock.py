"""Times of a local clock that was set back: an hour that a sample has twice, which no zone tells apart."""

from collections.abc import Sequence

import numpy as np

from latentwatch.domain.clock import from_microseconds
from latentwatch.domain.times import NO_TIME, parse_times

_MINUTE = 60_000_000
_SUNDAY = 6
_FEW = 3
"""More leaps back than clocks are set in a sample are something else, such as several machines one after the other."""


def doubled_hour_note(texts: Sequence[str | None], day_first: bool | None) -> str | None:
    """What to say where times without a zone go back by an hour on a Sunday, as clocks do in autumn; None where they do not.

    >>> hour = [f"2025-10-26 02:{minute:02}:00" for minute in range(0, 60, 5)]
    >>> print(doubled_hour_note([*hour, *hour, "2025-10-26 03:00:00"], None))  # doctest: +ELLIPSIS
    time: goes back by an hour after 2025-10-26 02:55:00, as a local clock ... give times with a zone
    >>> doubled_hour_note([*hour, "2025-10-26 03:00:00"], None) is None
    True
    """
    moments = parse_times(list(texts), day_first)
    moments = moments[moments != NO_TIME]
    steps = np.diff(moments)
    back = np.flatnonzero(steps <= -30 * _MINUTE)
    hours = [place for place in back.tolist() if steps[place] >= -60 * _MINUTE and _is_sunday(int(moments[place]))]
    if not hours or len(back) > _FEW:
        return None
    last = from_microseconds(int(moments[hours[0]])).replace(tzinfo=None)
    return (
        f"time: goes back by an hour after {last}, as a local clock does when summer ends: that hour comes twice, and records of"
        " both are taken as one hour, out of order; give times with a zone"
    )


def _is_sunday(moment: int) -> bool:
    return from_microseconds(moment).weekday() == _SUNDAY
