"""A program that is missing is named, with what a person can do."""

from pathlib import Path

import pytest

from deploy.services.programs import CHROMIUM, JAVA, Part, PartMissing


@pytest.mark.parametrize(("part", "words"), [(JAVA, "LATENTWATCH_TEST_KAFKA"), (CHROMIUM, "put a Chromium")])
def test_a_missing_part_says_how_to_supply_it(part: Part, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be installed, one line names the program, its package and the other way."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(PartMissing) as failure:
        part.require()
    message = str(failure.value)
    assert part.package in message
    assert words in message
    assert "\n" not in message


def test_a_part_that_is_there_is_used(tmp_path: Path) -> None:
    """Nothing is installed for a program that is found."""
    assert Part("it", "no-such-package", lambda: tmp_path, "").require() == tmp_path
