"""Stretches that were abnormal and never alarmed: signed, listed, and out of training until the word is taken back."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from latentwatch.alerts.missed_stretches import confirmed_misses, label_missed, missed_stretches, unlabel_missed
from latentwatch.alerts.reviewing import INCIDENT_MARGIN, Interval, excluded_intervals
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import InvalidInput, NotFound
from tests.alerts.build import MONITOR, at


class MissedStretchContract:
    """Promises about missed stretches."""

    def test_one_leaves_training_until_it_is_taken_back(self, engine: Engine, clock: ManualClock) -> None:
        """With the margin of an incident; of this monitor and entity alone."""
        made = label_missed(
            engine, MONITOR, "rig-1", at(1_000), at(2_800), author="ana", cause="bearing", note="worn", clock=clock
        )
        label_missed(engine, "other", "rig-1", at(0), at(1), author="ana", clock=clock)
        assert missed_stretches(engine, MONITOR) == [made]
        assert (made.cause, made.note, made.author, made.created) == ("bearing", "worn", "ana", clock.now())
        (asked,) = confirmed_misses(engine, MONITOR)
        assert asked.in_words.startswith(f"missed stretch {made.id} (rig-1, ")
        assert asked.in_words.endswith(", bearing)")
        assert (asked.started, asked.ended) == (at(1_000), at(2_800) - timedelta(microseconds=1))
        kept_out = [Interval("rig-1", at(1_000) - INCIDENT_MARGIN, at(2_800) + INCIDENT_MARGIN)]
        assert excluded_intervals(engine, MONITOR) == kept_out
        unlabel_missed(engine, made.id)
        assert excluded_intervals(engine, MONITOR) == []
        with pytest.raises(NotFound, match="no missed stretch"):
            unlabel_missed(engine, made.id)

    def test_nonsense_is_refused(self, engine: Engine) -> None:
        """A stretch ends after it begins, and somebody says so."""
        with pytest.raises(InvalidInput, match="before it begins"):
            label_missed(engine, MONITOR, "rig-1", at(10), at(10), author="ana")
        with pytest.raises(InvalidInput, match="name"):
            label_missed(engine, MONITOR, "rig-1", at(10), at(20), author=" ")
