"""What a few lines of YAML may cost, and addresses that may be shown."""

import doctest

import pytest
import yaml

import latentwatch.domain.addresses
from latentwatch.domain.addresses import without_secrets
from latentwatch.domain.bounded_yaml import MAX_DEPTH, load_yaml
from latentwatch.domain.errors import InvalidMonitor
from latentwatch.domain.monitor import parse_monitor

MONITOR = "name: pump\nsource: {file: {path: a.csv}}\nrecord: {time: at, features: {p: numeric}}\n"
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (MONITOR + BOMB, r"pump.yaml:8: .*more than 100,000 values"),
        (MONITOR + "x: " + "[" * 5_000 + "]" * 5_000, r"pump.yaml:4: .*nested more than 32 deep"),
        (MONITOR + "x: &a [*a]", r"pump.yaml:4: .*\*a stands within itself"),
        (MONITOR + "x: 2026-13-01", "a value cannot be read"),
        (MONITOR + "x: " + "9" * 5_000, "a value cannot be read"),
        (MONITOR + "x: *nowhere", "undefined alias"),
    ],
    ids=["aliases", "depth", "circle", "month 13", "digits", "undefined"],
)
def test_yaml_beyond_its_bounds_is_refused_with_its_line(text: str, problem: str):
    """Neither memory nor the stack is spent on it, and whoever wrote it learns where it stands."""
    with pytest.raises(InvalidMonitor, match=problem):
        parse_monitor(text, "pump.yaml")


def test_anchors_are_welcome_within_the_bounds():
    """A default that many fields share is what aliases are for."""
    text = MONITOR.replace("{p: numeric}", "{p: &bar {type: numeric}, q: *bar, r: *bar}")
    assert [feature.name for feature in parse_monitor(text).record.features] == ["p", "q", "r"]
    deepest = "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    assert load_yaml(deepest)[1] is not None
    assert load_yaml("") == (None, None)
    with pytest.raises(yaml.YAMLError):
        load_yaml(f"[{deepest}]")


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://u:s3cret@h/d",
        "postgresql://u:s3cret?s3cret@h/d",
        "postgresql://u:a@s3cret@h/d",
        "postgresql://h/d?password=s3cret",
        "postgresql://h/d?x=1&PassWord=s3cret&y=2",
        "postgresql://h/d?sslpassword=s3cret",
        "postgresql://u:s3cret@h/d?password=s3@cret&password=s3cret",
    ],
)
def test_no_form_of_an_address_shows_its_password(address: str):
    """Wherever an address may hold a password, it is replaced; host and name stay."""
    shown = without_secrets(address)
    assert "cret" not in shown
    assert "h/d" in shown


def test_examples_of_addresses_hold():
    """The examples in the documentation are true."""
    assert doctest.testmod(latentwatch.domain.addresses).failed == 0
