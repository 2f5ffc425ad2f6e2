"""A new model that misses what people confirmed and the champion finds is held, and the alert is named."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from latentwatch.cli import main


def _table(name: str, start: str, values: np.ndarray) -> None:
    times = pd.date_range(start, periods=len(values), freq="min", tz="UTC").strftime("%Y-%m-%dT%H:%M:%SZ")
    pd.DataFrame({"at": times, "vib": values.round(4)}).to_csv(name, index=False)


def test_a_model_that_misses_a_confirmed_alert_is_held_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Learning a wild day as normal makes a fault look normal that was found before: the champion goes on serving."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    monitor = (
        "name: m\nsource: {file: {path: %s}}\nrecord: {time: at, features: {vib: numeric}}\n"
        "window: 1\nmodel: {kind: linear, effort: light}\nalert: {false_alarm_rate: 0.001}\n"
    )
    Path("m.yaml").write_text(monitor % "day1.csv")
    Path("new.yaml").write_text(monitor % "day2.csv")
    _table("day1.csv", "2026-03-01", random.normal(size=1440))
    fault = random.normal(size=1440)
    fault[700:720] = 8.0
    _table("day2.csv", "2026-03-02", fault)
    _table("day3.csv", "2026-03-03", 6.0 * random.normal(size=1440))

    def said(*command: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(list(command))
        told = capfd.readouterr()
        assert not ended.value.code, told.err
        return told.out + told.err

    said("train", "m.yaml", "--history", "day1.csv")
    said("score", "new.yaml")
    said("alerts", "label", "1", "true", "--author", "anna", "--cause", "bearing")
    assert "Of 1 confirmed alerts of the past it finds 1." in said("retrain", "m.yaml", "--history", "day[12].csv")
    held = said("retrain", "m.yaml", "--history", "day[123].csv")
    assert "version 3: held" in held
    assert "Held: it misses alert 1 (2026-03-02 11:40, bearing), which people confirmed and the champion finds." in held
