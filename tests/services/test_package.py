"""The package as a stranger has it: built, installed without the checkout, used from a folder full of namesakes.

The environment it is installed in borrows the requirements of the one that runs the tests: a `.pth` names their folder, whose
own `.pth` files, the checkout's among them, the interpreter does not read there.
"""

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
ROOMS = ("domain", "detector", "streams", "alerts", "review", "dags", "latentwatch")
REQUIREMENTS = Path(sysconfig.get_path("purelib"))
# What a notebook's folder may well hold; each ends the process that imports it in place of ours.
NAMESAKES = (
    "alerts/__init__.py",
    "dags.py",
    "detector.py",
    "domain.py",
    "review/__init__.py",
    "streams.py",
    "deploy.py",
)
HISTORY = "at,rig,pressure,mode\n" + "".join(
    f"2026-01-{1 + row // 1440:02}T{row // 60 % 24:02}:{row % 60:02}:00Z,r01,{5 + row % 7 / 10},{'on' if row % 5 else 'off'}\n"
    for row in range(3000)
)


def run(*command: str | Path, cwd: Path, seconds: float = 300.0) -> str:
    """What a command printed, run in a shell that knows nothing of the checkout."""
    ours = ("LATENTWATCH_", "PYTHON", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(command, cwd=cwd, env=kept, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source archive, and the wheel that was built from it and from nothing else."""
    folder = tmp_path_factory.mktemp("dist")
    build = (sys.executable, "-m", "hatchling", "build", "-d", folder)
    run(*build, "-t", "sdist", cwd=ROOT)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as packed:
        packed.extractall(folder / "source", filter="data")
    run(*build, "-t", "wheel", cwd=next((folder / "source").iterdir()))
    return folder


@pytest.fixture(scope="module")
def installed(archives: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs' folder of an environment that has the wheel and the requirements, and no checkout."""
    home = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", home, cwd=home)
    python = home / "bin" / "python"
    uv = Path(sys.executable).with_name("uv")
    run(uv, "pip", "install", "--offline", "--no-deps", "--python", python, next(archives.glob("*.whl")), cwd=home)
    own = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=home).strip())
    (own / "requirements.pth").write_text(f"{REQUIREMENTS}\n")
    return home / "bin"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of somebody's own files, which share their names with our rooms."""
    for name in NAMESAKES:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("raise SystemExit('a namesake was imported')\n")
    (tmp_path / "history.csv").write_text(HISTORY)
    return tmp_path


def carried() -> set[str]:
    """Every file that git tracks of the rooms, by its place in what is installed."""
    listed = subprocess.run(
        ["git", "ls-files", "--", *ROOMS], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()
    files = [Path(name) for name in listed if not (ROOT / name).is_symlink() and (ROOT / name).exists()]
    return {str(file if file.parts[0] == "latentwatch" else "latentwatch" / file) for file in files}


def test_the_wheel_holds_every_file_once_under_one_name(archives: Path):
    """Code, templates, static files and migrations are inside; nothing lies beside `latentwatch/` but the wheel's papers."""
    names = zipfile.ZipFile(next(archives.glob("*.whl"))).namelist()
    assert len(names) == len(set(names))
    papers = {name for name in names if ".dist-info/" in name}
    assert set(names) - papers == carried()
    assert {"latentwatch/py.typed", "latentwatch/alerts/migrations/env.py"} <= set(names)


def test_the_wheel_says_its_licence(archives: Path):
    """The licence's text travels with the package, and the metadata name it."""
    wheel = zipfile.ZipFile(next(archives.glob("*.whl")))
    metadata = next(name for name in wheel.namelist() if name.endswith("/METADATA"))
    facts = message_from_string(wheel.read(metadata).decode())
    assert (facts["License-Expression"], facts["License-File"]) == ("Apache-2.0", "LICENSE")
    assert b"Apache License" in wheel.read(metadata.replace("METADATA", "licenses/LICENSE"))


def test_python_offers_what_it_should(installed: Path, folder: Path):
    """Everything is found under the one name, wherever the process starts, and nothing of ours by another."""
    code = (
        "import latentwatch, importlib.util as u\n"
        "from latentwatch.detector.bundle import load_bundle\n"
        "print(dir(latentwatch), latentwatch.__file__)\n"
        "print([n for n in ('alerts', 'dags', 'detector', 'domain', 'review', 'streams') if u.find_spec(n)])\n"
    )
    offered, others = run(installed / "python", "-I", "-c", code, cwd=folder).splitlines()
    assert offered.startswith("['LatentDetector', '__version__', 'add_version', 'open_version']")
    assert str(installed.parent) in offered
    assert others == "[]"


def test_a_room_has_no_other_name_in_the_checkout(tmp_path: Path):
    """`import domain` fails where the folder is on the path, and says by which name to import it."""
    code = "try:\n import domain\nexcept ImportError as error:\n print(error)"
    assert "import latentwatch.domain" in run(sys.executable, "-c", code, cwd=ROOT)


def test_the_estimator_works_beside_namesakes(installed: Path, folder: Path):
    """A notebook in that folder fits a detector, which finds what is far off."""
    (folder / "notebook.py").write_text(
        "import numpy as np\nfrom latentwatch import LatentDetector\n"
        "X = np.random.default_rng(1).normal(size=(400, 3))\n"
        "print(LatentDetector().fit(X).predict([[0.0, 0.0, 0.0], [9.0, 9.0, 9.0]]))\n"
    )
    assert run(installed / "python", "notebook.py", cwd=folder).split() == ["[", "1", "-1]"]


def test_the_command_line_works_beside_namesakes(installed: Path, folder: Path):
    """`init`, `train` and `score` go from a file to its scores."""
    command = installed / "latentwatch"
    assert "latentwatch" in run(command, "--version", cwd=folder)
    run(command, "init", "history.csv", "-o", "monitor.yaml", cwd=folder)
    run(command, "train", "monitor.yaml", "--history", "history.csv", cwd=folder)
    run(command, "score", "monitor.yaml", "--input", "history.csv", "--output", "scores.jsonl", cwd=folder)
    assert len((folder / "scores.jsonl").read_text().splitlines()) == HISTORY.count("\n") - 1


@pytest.mark.timeout(1800)
def test_the_demo_shows_the_whole_loop_beside_namesakes(installed: Path, folder: Path):
    """Records are scored, broken ones kept, faults found, two models promoted, every message accounted for; its last line is
    one JSON object."""
    words = ("demo", "--for", "20s", "--no-browser", "--json", "--port", "0")
    report = json.loads(run(installed / "latentwatch", *words, cwd=folder, seconds=1700).splitlines()[-1])
    assert set(report) == {
        "records",
        "dead_letters",
        "alerts",
        "faults_planted",
        "faults_found",
        "false_alarms",
        "promised_false_alarms",
        "models_promoted",
        "address",
    }
    assert report["records"] > 5_000
    assert report["dead_letters"] > 0
    assert report["models_promoted"] == 2
    assert report["faults_found"] >= report["faults_planted"] / 4
    assert report["false_alarms"] <= 2 * report["promised_false_alarms"]
    assert report["address"].startswith("http://127.0.0.1:")
