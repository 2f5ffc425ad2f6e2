"""What is printed for people is what was given, whatever it holds."""

import pytest

from latentwatch.console import print_table


def test_a_table_prints_brackets_as_they_are(capsys: pytest.CaptureFixture[str]):
    """Units in brackets and names from a stream are no markup: nothing of them is lost, and none raises."""
    print_table(["entity", "features"], [["[/red]", "Flow [m3/h], [bold]P[/bold]"]], "none")
    assert "[/red]  Flow [m3/h], [bold]P[/bold]" in capsys.readouterr().out
