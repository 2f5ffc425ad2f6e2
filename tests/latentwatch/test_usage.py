"""A pattern that the shell has taken apart is told how to be given."""

from pathlib import Path

import pytest

from latentwatch.cli import main


@pytest.mark.parametrize("command", [["init"], ["retrain", "m.yaml", "--history"], ["silences", "list"]])
def test_files_of_a_bare_pattern_are_told_to_be_quoted(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where what is too much are files, of any command; other words are what they were."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.csv", "b.csv", "c.csv", "d.csv"):
        Path(name).touch()
    for words, told in ((["a.csv", "b.csv", "c.csv", "d.csv"], True), (["a.csv", "x", "y", "z"], False)):
        with pytest.raises(SystemExit) as ended:
            main([*command, *words])
        said = " ".join(capsys.readouterr().err.replace("\u2502", " ").split())
        assert ended.value.code == 2
        assert "unexpected extra argument" in said
        assert ("Put the pattern in quotes" in said) == told
