"""A client with other inner parts than we change is used as it is, and the log says what is lost."""

import tomllib
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kafka.consumer.fetcher import Fetcher
from kafka.record.default_records import DefaultRecordBatch
from packaging.requirements import Requirement
from structlog.testing import capture_logs

from latentwatch.streams.kafka.client_patches import patch_consumer
from latentwatch.streams.kafka.record_batches import ColumnarRecords

LOSSES = {
    "reading records in columns": "records are read one by one: a scorer takes fewer a second",
    "keeping assignments between polls": "a partition may stand still for some time after scorers join or leave",
    "giving back records of a silenced partition": "a partition that was paused may stand still until a restart",
}


def losses(entries: Any) -> dict[str, str]:
    """What the log says is lost, by patch."""
    return {entry["patch"]: entry["lost"] for entry in entries if entry["version"] == version("kafka-python")}


def test_the_versions_that_may_be_installed_are_those_we_change() -> None:
    """A minor version may have other inner parts: it is not installed before somebody has looked."""
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    wanted = map(Requirement, project["dependencies"])
    (client,) = [each for each in wanted if each.name == "kafka-python"]
    assert version("kafka-python") in client.specifier
    assert "3.1.0" not in client.specifier


def test_another_client_is_used_as_it_is() -> None:
    """None of the patches applies, each is named, and nothing raises."""
    with capture_logs() as entries:
        assert not patch_consumer(SimpleNamespace())
    assert losses(entries) == LOSSES


@pytest.mark.parametrize(
    ("owner", "part"), [(Fetcher.PartitionRecords, "drain"), (DefaultRecordBatch, "records_count")]
)
def test_a_part_that_is_gone_is_noticed_before_it_is_missed(
    monkeypatch: pytest.MonkeyPatch, owner: type, part: str
) -> None:
    """Records are read as the client reads them rather than by a reader that would fail at the first fetch."""
    monkeypatch.delattr(owner, part)
    fetcher = Fetcher.__new__(Fetcher)
    with capture_logs() as entries:
        assert not patch_consumer(SimpleNamespace(_fetcher=fetcher))
    assert fetcher.PartitionRecords is not ColumnarRecords
    assert "reading records in columns" in losses(entries)
