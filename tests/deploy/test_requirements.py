"""The requirements files: pinned, hashed, without an address, and of one mind."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement

from tests.deploy.compose import ROOT

FOLDER = ROOT / "requirements"
SETS = ("all", "demo", "scorer", "review", "airflow")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OBJECT_STORES = {"s3": "s3fs", "gcs": "gcsfs", "azure": "adlfs"}
"""Extras that no set holds, with their clients; why not is said in requirements/without-object-stores.txt."""
EXTRAS = {
    "all": tuple(extra for extra in PROJECT["optional-dependencies"] if extra not in OBJECT_STORES),
    "demo": ("build", "train", "review"),
    "scorer": ("build", "postgres", "notify", "avro", "confluent"),
    "review": ("build", "review", "postgres"),
    "airflow": ("build", "train", "postgres", "avro", "confluent", "mlflow", "airflow"),
}


def pins(path: Path) -> dict[str, list[tuple[str, Marker | None]]]:
    """The versions a file pins, by name, each with where it applies."""
    found: dict[str, list[tuple[str, Marker | None]]] = {}
    for block in re.split(r"\n(?=\S)", path.read_text()):
        if match := re.match(r"([\w.-]+)(?:\[[^]]*])?==([^\s;]+)(?: ; ([^\\]+))?", block):
            name, version, marker = match.groups()
            assert "--hash=sha256:" in block, f"{path.name}: {name} has no hash"
            found.setdefault(name, []).append((version, Marker(marker) if marker else None))
    return found


@pytest.mark.parametrize("name", SETS)
def test_pins_satisfy_the_project(name: str) -> None:
    """Every dependency of the project that a set is for is pinned, at a version it allows: the files are not stale."""
    pinned = pins(FOLDER / f"{name}.txt")
    wanted = [
        *PROJECT["dependencies"],
        *(line for extra in EXTRAS[name] for line in PROJECT["optional-dependencies"][extra]),
    ]
    for requirement in map(Requirement, wanted):
        versions = pinned.get(requirement.name.lower(), [])
        assert versions, f"{requirement.name} is not in {name}.txt; run make requirements"
        assert all(version in requirement.specifier for version, _ in versions), f"{requirement}; run make requirements"


@pytest.mark.parametrize("name", [*SETS, "uv"])
def test_files_name_no_address(name: str) -> None:
    """Where packages are downloaded from is the machine's business."""
    assert "://" not in (FOLDER / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", SETS)
def test_sets_agree(name: str) -> None:
    """Every set has the versions of the full one, which is the one that is tested."""
    everything = pins(FOLDER / "all.txt")
    left_out = {"triton", "nvidia-cusolver", "cuda-bindings", "cuda-pathfinder"}
    for package, versions in pins(FOLDER / f"{name}.txt").items():
        if package not in left_out:
            assert {version for version, _ in versions} <= {version for version, _ in everything[package]}, package


@pytest.mark.parametrize("name", ["scorer", "review"])
def test_serving_sets_have_no_torch(name: str) -> None:
    """The images that score and show hold neither torch nor anything made for it."""
    heavy = {"torch", "triton", "mlflow", "apache-airflow", "pyspark"}
    assert not {package for package in pins(FOLDER / f"{name}.txt") if package in heavy or package.startswith("nvidia")}


@pytest.mark.parametrize("name", ["scorer", "airflow"])
def test_what_reads_topics_reads_every_format(name: str) -> None:
    """Whatever a monitor may say of its topic, the images that score it and retrain it can read it."""
    readers = {
        Requirement(line).name for extra in ("avro", "confluent") for line in PROJECT["optional-dependencies"][extra]
    }
    assert {"fastavro", "confluent-kafka"} <= readers <= pins(FOLDER / f"{name}.txt").keys()


@pytest.mark.parametrize("name", SETS)
def test_object_stores_are_left_to_whoever_has_one(name: str) -> None:
    """No set holds a client of an object store, and each of them is an extra."""
    for extra, client in OBJECT_STORES.items():
        assert [Requirement(line).name for line in PROJECT["optional-dependencies"][extra]] == [client]
        assert client not in pins(FOLDER / f"{name}.txt")
