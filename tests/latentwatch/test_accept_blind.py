"""A first model that finds next to nothing ends its training with exit code 5, and is let in where that is accepted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from latentwatch import retraining
from latentwatch.cli import main


def test_a_first_model_that_finds_nothing_is_let_in_by_word_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing serves until --accept-blind says so; the version that was held stays among the versions."""
    monkeypatch.chdir(tmp_path)
    np.savetxt(
        "x.csv", np.random.default_rng(0).normal(size=(200, 2)), delimiter=",", header="a,b", comments="", fmt="%.4f"
    )
    Path("m.yaml").write_text(
        "name: m\nsource: {file: {path: x.csv}}\nrecord: {features: {a: numeric, b: numeric}}\nwindow: 1\n"
        "model: {kind: linear, effort: light}\nalert: {false_alarm_rate: 0.01}\n"
    )
    measured = retraining.evaluate
    monkeypatch.setattr(
        retraining, "evaluate", lambda *given, **named: replace(measured(*given, **named), faults_found=0)
    )
    codes, said = [], []
    for options in ([], ["--accept-blind"]):
        with pytest.raises(SystemExit) as ended:
            main(["train", "m.yaml", "--history", "x.csv", *options])
        codes.append(int(ended.value.code or 0))
        said.append(capfd.readouterr().err)
    assert codes == [5, 0]
    assert "no model serves" in said[0]
    assert "version 2: champion" in said[1]
