"""Where bundles are kept: tried before anything is trained for it, and said in words where it cannot be."""

from importlib.util import find_spec
from pathlib import Path

import fsspec
import pytest

from latentwatch.detector.bundle_store import ReadOnlyStore, check_store, open_store
from latentwatch.domain.errors import InvalidInput


@pytest.mark.parametrize(
    ("address", "client", "extra"),
    [
        ("s3://bucket/models", "s3fs", "s3"),
        ("s3a://bucket/models", "s3fs", "s3"),
        ("gs://bucket/models", "gcsfs", "gcs"),
        ("abfs://container/models", "adlfs", "azure"),
    ],
)
def test_an_object_store_without_its_client_names_the_extra(address: str, client: str, extra: str) -> None:
    """What is missing is known from the address alone, before anybody is asked for it."""
    assert find_spec(client) is None, "the suite's environment has no client of an object store"
    with pytest.raises(InvalidInput, match=rf"{client}, .* install 'latentwatch\[{extra}\]'"):
        open_store(address)


def test_an_unknown_kind_of_address_is_refused() -> None:
    """A mistyped one is an error in words."""
    with pytest.raises(InvalidInput, match="s4://x: bundles cannot be kept there"):
        check_store("s4://x")


def test_trying_a_store_leaves_nothing_behind(tmp_path: Path) -> None:
    """Neither in a folder that was there, nor the folders that had to be made."""
    check_store(str(tmp_path))
    check_store(str(tmp_path / "not" / "there" / "yet"))
    check_store("memory://models")
    assert list(tmp_path.iterdir()) == []
    assert fsspec.filesystem("memory").find("models") == []


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """Here a file stands where the folder should be."""
    (tmp_path / "bundles").write_text("")
    with pytest.raises(ReadOnlyStore, match=r"bundles cannot be written .* correct its permissions"):
        check_store(str(tmp_path / "bundles"))
