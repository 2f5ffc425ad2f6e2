"""What a monitor says of alerts, late records and retraining."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from latentwatch.domain.durations import Duration, DurationOrAuto
from latentwatch.domain.monitor_part import MonitorPart
from latentwatch.domain.severity import Severity
from latentwatch.domain.steps import AfterStep

HIGHEST_RATE = 0.003
"""Share of normal records that may be flagged at most where no budget is said."""
_DAILY = 2.0
"""Alert episodes a day, where no budget is said."""
_LEAST_GAP = timedelta(minutes=5)
_STEPS_OF_A_GAP = 3
"""Of one alert, flagged records lie no further apart than so many usual steps, but for the least gap."""


class AlertPolicy(MonitorPart):
    """How many false alarms people accept, and how flagged records become alerts.

    Where no budget is said it is the smaller of .3 % of normal records and two alerts a day; of metrics, one record a day.
    """

    false_alarms_per_day: float | None = Field(default=None, gt=0)
    """Budget of alert episodes on normal data per day, of what `per` says."""
    per: Literal["monitor", "entity"] = "monitor"
    """Whether the budget of a day is that of the whole monitor, or of each of its entities."""
    false_alarm_rate: float | None = Field(default=None, gt=0, lt=1)
    """Share of normal records that may be flagged."""
    group_gap: DurationOrAuto = "auto"
    """Flagged records of one entity no further apart than this belong to one alert; auto goes by their cadence."""
    incident_within: DurationOrAuto = "auto"
    """Alerts that began no further apart than this may be one incident; auto is the gap of an alert."""
    settle: Duration = timedelta(seconds=5)
    """How long the first message of an incident waits for alerts that belong to it."""
    after_step: AfterStep = AfterStep.ASK
    """What becomes of a change that lasts until it is usual: ask people, accept it, or keep alarming."""
    notify: tuple[str, ...] = ()
    """Names of notification channels in the settings."""
    notify_from: dict[str, Severity] = Field(default_factory=dict)
    """By channel, the smallest severity of which it is told: low, medium, high or critical. An incident that becomes that
    loud later is told then."""
    remind: Duration | None = timedelta(hours=4)
    """How long an incident that goes on and that nobody acknowledged stands open before people are told again, each time; null
    for never."""

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if self.false_alarms_per_day is not None and self.false_alarm_rate is not None:
            raise ValueError("give 'false_alarms_per_day' or 'false_alarm_rate', not both")
        if self.per == "entity" and self.false_alarms_per_day is None:
            raise ValueError("'per: entity' says whose false alarms are counted; give 'false_alarms_per_day' as well")
        return self

    @model_validator(mode="after")
    def _levels_of_channels(self) -> Self:
        strangers = sorted(set(self.notify_from) - set(self.notify))
        if strangers:
            raise ValueError(
                f"'notify_from' names {strangers[0]!r}, which 'notify' does not; add it there or remove it"
            )
        if self.remind is not None and self.remind < timedelta(minutes=1):
            raise ValueError("'remind' must be a minute at least; null is for never")
        return self

    @property
    def is_default(self) -> bool:
        """Whether no budget is said."""
        return self.false_alarms_per_day is None and self.false_alarm_rate is None

    def daily_budget(self, entities: int = 1) -> float:
        """Alert episodes a day that may be false, over a whole monitor of so many entities; of a policy that counts by
        records, no limit.

        >>> AlertPolicy(false_alarms_per_day=0.1, per="entity").daily_budget(1000)
        100.0
        """
        if self.false_alarm_rate is not None:
            return float("inf")
        return (self.false_alarms_per_day or _DAILY) * (entities if self.per == "entity" else 1)

    @property
    def highest_rate(self) -> float:
        """Share of normal records that may be flagged, whatever is allowed a day; 1 where only that counts."""
        return self.false_alarm_rate or (HIGHEST_RATE if self.is_default else 1.0)

    def gap(self, cadence: float) -> timedelta:
        """How far apart flagged records of one entity may lie and still be one alert.

        With `auto` three times their cadence, which is seconds or 0 where it is not known, and 5 minutes at least.

        >>> AlertPolicy().gap(1.0), AlertPolicy().gap(1800.0)
        (datetime.timedelta(seconds=300), datetime.timedelta(seconds=5400))
        """
        if self.group_gap != "auto":
            return self.group_gap
        return max(_LEAST_GAP, timedelta(seconds=_STEPS_OF_A_GAP * cadence))


class LatePolicy(MonitorPart):
    """What is done with a record that is older, by event time, than its entity's newest."""

    allowed: Duration = timedelta(0)
    """A record no later than this is put at its place in event time, and the decisions after it are amended.

    0 scores records in the order they arrive.
    """

    @field_validator("allowed")
    @classmethod
    def _not_negative(cls, value: timedelta) -> timedelta:
        if value < timedelta(0):
            raise ValueError("must not be negative; 0 scores records in the order they arrive")
        return value


class TrainPolicy(MonitorPart):
    """When the first model is trained, where there is no history to begin with."""

    after: Duration | None = None
    """How long the topic must have been filling; until then the monitor is learning. By default nothing is waited for."""

    @field_validator("after")
    @classmethod
    def _some_time(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and value <= timedelta(0):
            raise ValueError("must be longer than nothing, such as 3d; leave it out to train on what there is")
        return value


class RetrainPolicy(MonitorPart):
    """When the next model is trained, and on how much history."""

    schedule: str = "@daily"
    """Cron expression or Airflow preset."""
    history: Duration = timedelta(days=14)
    """How much of the past the next model learns from."""
    source: str | None = None
    """Training data when it is not the monitor's own stream: a CSV, JSONL or Parquet path or glob."""
