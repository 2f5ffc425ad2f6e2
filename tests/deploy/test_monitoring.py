"""Dashboards and alert rules ask only for metrics that exist."""

import json
import re

from latentwatch.domain.clock import ManualClock
from latentwatch.streams.watching.metrics import ScorerMetrics
from tests.deploy.compose import ROOT

RULES = (ROOT / "deploy" / "prometheus" / "rules.yml").read_text()
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "dashboards" / "scoring.json").read_text())


def exported() -> set[str]:
    """The names a scorer's metrics have when scraped."""
    families = ScorerMetrics("any", ManualClock()).registry.collect()
    samples = {f"{family.name}{ending}" for family in families for ending in _endings(family.type)}
    assert len(samples) > 10
    return samples


def _endings(kind: str) -> tuple[str, ...]:
    return {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(kind, ("",))


def test_rules_ask_for_existing_metrics() -> None:
    """Every metric in a rule is one a scorer exports."""
    asked = set(re.findall(r"\blatentwatch_\w+", RULES))
    assert asked
    assert asked <= exported()


def test_dashboard_asks_for_existing_metrics() -> None:
    """Every panel asks for something, and for nothing that does not exist."""
    expressions = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    asked = {name for expression in expressions for name in re.findall(r"\blatentwatch_\w+", expression)}
    assert all("latentwatch_" in expression for expression in expressions)
    assert asked <= exported()


def test_recorded_series_are_defined() -> None:
    """A rule builds only on series recorded by another rule of the file."""
    recorded = set(re.findall(r"record: (\S+)", RULES))
    used = {
        name
        for line in RULES.splitlines()
        if "record:" not in line
        for name in re.findall(r"latentwatch:\S+?\b\w+:\w+", line)
    }
    assert used <= recorded


def test_every_alert_says_what_to_do() -> None:
    """Each alert has a summary and a description."""
    assert RULES.count("alert:") == RULES.count("summary:") == RULES.count("description:")
