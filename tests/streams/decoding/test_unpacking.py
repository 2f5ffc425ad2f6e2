"""Messages of collectors, taken apart: each record once, and what cannot be taken apart left whole."""

import json
from typing import Any

import pytest

from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.decoding.unpacking import elements, otlp_records, senml_records, unpacker

FEATURES = {"a": "numeric"}


def _apart(schema: dict[str, Any], message: Any) -> Any:
    unpack = unpacker(RecordSchema.model_validate({"features": FEATURES, **schema}))
    assert unpack is not None
    found = unpack(json.dumps(message).encode())
    return found if found is None else [json.loads(record) for record in found]


def test_an_array_inside_takes_along_what_stands_beside_it():
    """A batch is its elements; host and time beside the array belong to each of them, unless it has its own."""
    assert _apart({"arrays": "metrics"}, {"metrics": [{"a": 1}, {"a": 2}]}) == [{"a": 1}, {"a": 2}]
    nested = {"host": "h", "at": 5, "data": {"readings": [{"a": 1}, {"a": 2, "at": 6}]}}
    assert _apart({"arrays": "data.readings"}, nested) == [
        {"host": "h", "at": 5, "a": 1},
        {"host": "h", "at": 6, "a": 2},
    ]
    assert _apart({"arrays": True}, [{"a": 1}]) == [{"a": 1}]
    assert _apart({"arrays": "metrics"}, {"other": 1}) is None
    assert unpacker(RecordSchema.model_validate({"features": FEATURES})) is None


def test_a_senml_pack_is_a_record_for_each_device_and_time():
    """RFC 8428: base names, times and values hold for the entries after them; values of every kind; times of their own."""
    pack = [
        {"bn": "urn:dev:1:", "bt": 1772000000, "bv": 10, "n": "temp", "v": 1.5},
        {"n": "door", "vb": True},
        {"n": "state", "vs": "idle"},
        {"n": "temp", "t": 60, "v": 2.5},
        {"bn": "urn:dev:2:", "n": "temp", "v": 0},
    ]
    assert _apart({"collector": "senml"}, pack) == [
        {"device": "urn:dev:1", "time": 1772000000, "temp": 11.5, "door": True, "state": "idle"},
        {"device": "urn:dev:1", "time": 1772000060, "temp": 12.5},
        {"device": "urn:dev:2", "time": 1772000000, "temp": 10},
    ]
    assert _apart({"collector": "senml"}, [{"n": "temp", "v": 1}]) == [{"temp": 1}]  # relative to a now nobody knows


def test_otlp_data_points_of_one_resource_series_and_time_are_a_record():
    """Gauges, sums with integers as text, histograms; data points with attributes are series of their own."""

    def metric(name: str, kind: str, **point: Any) -> dict[str, Any]:
        return {"name": name, kind: {"dataPoints": [{"timeUnixNano": "1772000000000000000", **point}]}}

    disk = [{"key": "device", "value": {"stringValue": "sda"}}]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    metrics = [
        metric("cpu", "gauge", asDouble=0.4),
        metric("requests", "sum", asInt="7"),
        metric("latency", "histogram", count="3", sum=1.5),
        metric("io", "gauge", asDouble=2.0, attributes=disk),
    ]
    message = {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": metrics}]}]}
    shared = {"time": 1772000000000000000, "resource": {"service": {"name": "shop"}}}
    assert _apart({"collector": "otlp"}, message) == [
        {**shared, "series": "all", "cpu": 0.4, "requests": 7, "latency.count": 3.0, "latency.sum": 1.5},
        {**shared, "series": "device=sda", "io": 2.0},
    ]


@pytest.mark.parametrize(
    "value", [b"", b"{", b"[1, 2", b"null", b"[[]]", b'{"resourceMetrics": 5}', b"\xff", b"[" * 9999]
)
def test_what_is_no_pack_is_left_to_decoding(value: bytes):
    """Nothing raises: such a message is one record, of which decoding says what is wrong."""
    for unpack in (senml_records, otlp_records):
        assert unpack(value) is None
    assert elements(value) in (None, [b"[]"])
