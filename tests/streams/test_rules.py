"""What a monitor says matters of its features acts in the loop."""

from latentwatch.domain.schema import RecordSchema
from tests.streams.stage import Stage


def test_a_monitor_s_rules_act_without_another_model() -> None:
    """Strange falls that do not count are neither flagged nor counted; a limit flags what no surprise does."""
    stage = Stage()
    told = {"a": {"type": "numeric", "alarm_above": 0.95}, "b": {"type": "numeric", "direction": "down"}}
    record_ = RecordSchema.model_validate({"time": "at", "entity": "rig", "features": told})
    stage.monitor = stage.monitor.model_copy(update={"record": record_})
    stage.produce(range(200))
    stage.run()
    flagged = [found for outcome in stage.store.outcomes for found in outcome.flagged]
    assert {found.values["b"] for found in flagged} == {0.5}
    assert {found.grounds.crossed[0].feature for found in flagged} == {"a"}
    assert len(flagged) == sum(number % 11 == 10 and number % 50 != 33 for number in range(200))
    assert sum(count.flagged for outcome in stage.store.outcomes for count in outcome.counts) == len(flagged)
