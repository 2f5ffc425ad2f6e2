"""Answers of monitoring systems that are one JSON document, and no lines of records: each is named, with the command that
turns it into lines.

First messages of a file → nothing, or InvalidHistory.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latentwatch.domain.errors import InvalidHistory


@dataclass(frozen=True, slots=True)
class Document:
    """A known answer, and a program that writes its values as lines in the order of their times."""

    what: str
    python: str


def _document(what: str, rows: str) -> Document:
    """`rows` makes dictionaries with a time of what `whole` holds."""
    program = (
        f"import json, sys; whole = json.load(sys.stdin); rows = [{rows}]; "
        'print(*map(json.dumps, sorted(rows, key=lambda row: row["time"])), sep="\\n")'
    )
    return Document(what, program)


PROMETHEUS = _document(
    "a Prometheus answer (query_range)",
    '{"time": at, "metric": s["metric"].get("__name__", "value"), '
    '"labels": {k: v for k, v in s["metric"].items() if k != "__name__"}, "value": value} '
    'for s in whole["data"]["result"] for at, value in s["values"]',
)
_CLOUDWATCH = (
    '{{"time": at, "metric": s["{0}"], "value": value}} for s in whole["MetricDataResults"] '
    'for at, value in zip(s["Timestamps"], s["Values"])'
)
_STATISTICS = _document(
    "a CloudWatch answer (get-metric-statistics)",
    '{"time": p.pop("Timestamp"), **{k: v for k, v in p.items() if k != "Unit"}} for p in whole["Datapoints"]',
)
_AZURE = _document(
    "an Azure Monitor answer (metrics list)",
    '{"time": p["timeStamp"], "labels": {m["name"]["value"]: m["value"] for m in t.get("metadatavalues", [])}, '
    '"metric": s["name"]["value"] + "." + k, "value": v} for s in whole["value"] for t in s["timeseries"] '
    'for p in t["data"] for k, v in p.items() if k != "timeStamp"',
)
_DATADOG = _document(
    "a Datadog answer (query of timeseries)",
    '{"time": at / 1000, "scope": s["scope"], "metric": s["metric"], "value": value} '
    'for s in whole["series"] for at, value in s["pointlist"]',
)
_NETDATA = _document(
    "a Netdata answer (data)",
    'dict(zip(whole["labels"], row)) for row in whole["data"]',
)
_HOME_ASSISTANT = _document(
    "a Home Assistant answer (history)",
    '{"time": p["last_changed"], "entity_id": s[0]["entity_id"], "state": p["state"]} for s in whole for p in s',
)
_INFLUX = _document(
    "an InfluxDB answer (query)",
    '{**s.get("tags", {}), **dict(zip(s["columns"], row))} for r in whole["results"] for s in r["series"] for row in s["values"]',
)


def refuse_documents(path: str, messages: Sequence[Any]) -> None:
    """Refuse a file whose one message is a known answer. Raises InvalidHistory with what turns it into lines."""
    found = known_document(messages[0]) if len(messages) == 1 else None
    if found is None:
        return
    lines = str(Path(path).with_suffix(".jsonl"))
    raise InvalidHistory(
        f"{path}: is {found.what}, one document; turn it into lines in the order of their times, and give those:\n"
        f"  python3 -c {shlex.quote(found.python)} < {shlex.quote(path)} > {shlex.quote(lines)}"
    )


def refuse_packed(path: str, packed: Sequence[str]) -> None:
    """Refuse records whose numbers stand in JSON that is written as text. Raises InvalidHistory."""
    raise InvalidHistory(
        f"{path}: {packed[0]!r} holds JSON objects as text, and no number that changes stands beside it; give its parts columns of "
        "their own, or the records as JSON lines, whose text is unpacked"
    )


def known_document(message: Any) -> Document | None:
    """Which answer a message is, if it is one.

    >>> known_document({"status": "success", "data": {"resultType": "matrix", "result": []}}).what
    'a Prometheus answer (query_range)'
    >>> known_document({"data": [{"a": 1}]}) is None
    True
    """
    if isinstance(message, list):
        lists = bool(message) and all(isinstance(each, list) and each and isinstance(each[0], dict) for each in message)
        return _HOME_ASSISTANT if lists and all("entity_id" in each[0] for each in message) else None
    if not isinstance(message, dict):
        return None
    if isinstance(data := message.get("data"), dict) and data.get("resultType") == "matrix" and "result" in data:
        return PROMETHEUS
    if _are(message.get("MetricDataResults"), "Timestamps", "Values"):
        metrics = message["MetricDataResults"]
        labels = {each.get("Label") for each in metrics}
        key = "Label" if len(labels) == len(metrics) and None not in labels else "Id"
        return _document("a CloudWatch answer (get-metric-data)", _CLOUDWATCH.format(key))
    if isinstance(message.get("labels"), list) and message["labels"][:1] == ["time"] and isinstance(data, list):
        return _NETDATA
    known = {
        "Datapoints": (_STATISTICS, "Timestamp"),
        "value": (_AZURE, "timeseries"),
        "series": (_DATADOG, "pointlist"),
        "results": (_INFLUX, "series"),
    }
    return next((found for key, (found, part) in known.items() if _are(message.get(key), part)), None)


def _are(value: Any, *keys: str) -> bool:
    """Whether a value is a list of objects that have those keys."""
    return (
        bool(value)
        and isinstance(value, list)
        and all(isinstance(each, dict) and {*keys} <= each.keys() for each in value)
    )
