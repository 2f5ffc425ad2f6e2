"""Where bundles are kept: a local folder, or an object store that fsspec reaches with a client of its own."""

import uuid
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from latentwatch.domain.errors import InvalidInput, Unavailable

_CLIENTS = {
    "s3": ("s3fs", "s3"),
    "s3a": ("s3fs", "s3"),
    "gs": ("gcsfs", "gcs"),
    "gcs": ("gcsfs", "gcs"),
    "az": ("adlfs", "azure"),
    "abfs": ("adlfs", "azure"),
    "abfss": ("adlfs", "azure"),
    "adl": ("adlfs", "azure"),
}
"""Kind of address to the package that reaches it, and the extra of ours that brings the package."""


class ReadOnlyStore(InvalidInput):
    """Bundles can be read from the store perhaps, but not written to it."""


def open_store(root: str) -> tuple[Any, str]:
    """The fsspec filesystem of a folder or URL and the path within it. Nothing is asked of a server yet.

    Raises InvalidInput where the kind of address is unknown or its client is not installed, naming the extra.
    """
    package, extra = _CLIENTS.get(root.partition("://")[0], ("", ""))
    if package and not find_spec(package):
        raise InvalidInput(f"{root}: {package}, which reaches it, is not installed; install 'latentwatch[{extra}]'")
    try:
        files, path = fsspec.core.url_to_fs(root)
    except (ImportError, ValueError) as error:
        raise InvalidInput(
            f"{root}: bundles cannot be kept there ({error}); give a folder, s3://, gs:// or abfs:// as LATENTWATCH_BUNDLES"
        ) from None
    return files, path.rstrip("/")


def check_store(root: str) -> None:
    """Write a few bytes to the store, read them back and delete them; a local folder made for it goes again.

    Raises InvalidInput as `open_store` does, ReadOnlyStore where writing is not allowed, and Unavailable where the store
    does not answer or gives other bytes back.
    """
    files, path = open_store(root)
    content = uuid.uuid4().hex.encode()
    probe = f"{path}/.probe-{content.decode()}"
    made = _missing_folders(path) if isinstance(files, LocalFileSystem) else []
    try:
        if not files.exists(path):
            files.makedirs(path, exist_ok=True)
        files.pipe_file(probe, content)
        found = files.cat_file(probe)
        files.rm_file(probe)
        for folder in made:
            folder.rmdir()
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise ReadOnlyStore(
            f"{root} cannot be written ({error}); correct its permissions, or LATENTWATCH_BUNDLES"
        ) from None
    except FileNotFoundError as error:
        raise InvalidInput(f"{root}: {error}; make the bucket, or correct LATENTWATCH_BUNDLES") from None
    except Exception as error:  # each client raises errors of its own: no credentials, no answer, no such host
        raise Unavailable(
            f"{root} does not answer as it should ({type(error).__name__}: {error}); check its address, its credentials and"
            " that it is up"
        ) from error
    if found != content:
        raise Unavailable(
            f"{root} gave back other bytes than were written; check what stands between here and the store"
        )


def _missing_folders(path: str) -> list[Path]:
    """The folders that have to be made for a path, the innermost first."""
    return [folder for folder in (Path(path), *Path(path).parents) if not folder.exists()]
