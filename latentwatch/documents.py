"""Answers of monitoring systems that are one JSON document, and no lines of records: each is named, with the command that
turns it into lines.

First messages of a file → nothing, or InvalidHistory.
"""

import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latentwatch.domain.errors import InvalidHistory


@dataclass(frozen=True, slots=True)
class Document:
    """A known answer, and two programs that write its values as lines in the order of their times."""

    what: str
    jq: str
    python: str


_PYTHON = 'import json, sys; rows = [{}]; print(*map(json.dumps, sorted(rows, key=lambda row: row["time"])), sep="\\n")'
PROMETHEUS = Document(
    "a Prometheus answer (query_range)",
    '[.data.result[] | .metric as $m | .values[] | {time: .[0], metric: ($m.__name__ // "value"), '
    "labels: ($m | del(.__name__)), value: .[1]}] | sort_by(.time)[]",
    _PYTHON.format(
        '{"time": at, "metric": s["metric"].get("__name__", "value"), '
        '"labels": {k: v for k, v in s["metric"].items() if k != "__name__"}, "value": value} '
        'for s in json.load(sys.stdin)["data"]["result"] for at, value in s["values"]'
    ),
)
_CLOUDWATCH = "a CloudWatch answer (get-metric-data)"
_CLOUDWATCH_JQ = (
    "[.MetricDataResults[] | .{0} as $m | [.Timestamps, .Values] | transpose[] | {{time: .[0], metric: $m, value: .[1]}}] "
    "| sort_by(.time)[]"
)
_CLOUDWATCH_PYTHON = (
    '{{"time": at, "metric": s["{0}"], "value": value}} for s in json.load(sys.stdin)["MetricDataResults"] '
    'for at, value in zip(s["Timestamps"], s["Values"])'
)


def refuse_documents(path: str, messages: Sequence[Any]) -> None:
    """Refuse a file whose one message is a known answer. Raises InvalidHistory with what turns it into lines."""
    found = known_document(messages[0]) if len(messages) == 1 else None
    if found is None:
        return
    program = f"jq -c {shlex.quote(found.jq)}" if shutil.which("jq") else f"python3 -c {shlex.quote(found.python)}"
    lines = str(Path(path).with_suffix(".jsonl"))
    raise InvalidHistory(
        f"{path}: is {found.what}, one document; turn its series into lines with time, metric and value, and give those:\n"
        f"  {program} < {shlex.quote(path)} > {shlex.quote(lines)}"
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
    if not isinstance(message, dict):
        return None
    data, metrics = message.get("data"), message.get("MetricDataResults")
    if isinstance(data, dict) and data.get("resultType") == "matrix" and "result" in data:
        return PROMETHEUS
    if (
        isinstance(metrics, list)
        and metrics
        and all(isinstance(each, dict) and "Timestamps" in each for each in metrics)
    ):
        labels = {each.get("Label") for each in metrics}
        key = "Label" if len(labels) == len(metrics) and None not in labels else "Id"
        return Document(_CLOUDWATCH, _CLOUDWATCH_JQ.format(key), _PYTHON.format(_CLOUDWATCH_PYTHON.format(key)))
    return None
