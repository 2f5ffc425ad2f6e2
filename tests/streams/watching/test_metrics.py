"""What the scorer says of itself in numbers."""

from tests.streams.stage import Stage


def test_the_counters_account_for_every_message() -> None:
    """Every message consumed was decoded or is a dead letter; every record decoded was scored."""
    stage = Stage()
    stage.produce(range(40))
    stage.broker.produce(b"{")
    told = stage.run().metrics.registry.get_sample_value
    consumed, decoded, dead, scored = (
        told(f"latentwatch_{name}_records_total", {"monitor": "pump"})
        for name in ("consumed", "decoded", "dead_lettered", "scored")
    )
    assert (consumed, decoded, dead, scored) == (41, 40, 1, 40)
