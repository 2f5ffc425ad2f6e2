"""Who is logged in, on the command line."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from latentwatch.alerts.database import migrate, open_database
from latentwatch.alerts.login_sessions import open_login
from latentwatch.cli import main
from latentwatch.domain.clock import SystemClock


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, what it printed, and what it said to people."""
    with pytest.raises(SystemExit) as ended:
        main(["sessions", *arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_sessions_are_listed_and_revoked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """By number or all at once; a number that is none and a command that says neither are refused."""
    url = f"sqlite:///{tmp_path}/watch.db"
    monkeypatch.setenv("LATENTWATCH_DATABASE", url)
    engine = open_database(url)
    migrate(engine)
    assert "Nobody is logged in" in "".join(said(capsys, "list")[1:])
    for number in range(3):
        open_login(engine, f"{number:064}", "9.9.9.9", "Firefox", SystemClock().now(), timedelta(days=14))
    engine.dispose()
    listed = json.loads(said(capsys, "list", "--json")[1])
    assert [(one["address"], one["browser"]) for one in listed] == [("9.9.9.9", "Firefox")] * 3
    assert "Firefox" in said(capsys, "list")[1]
    assert said(capsys, "revoke", str(listed[0]["id"]))[:2] == (0, "1 session ended\n")
    assert json.loads(said(capsys, "revoke", "--all", "--json")[1]) == {"revoked": 2}
    assert "there is no session 9" in said(capsys, "revoke", "9")[2]
    assert said(capsys, "revoke")[0] == 2
