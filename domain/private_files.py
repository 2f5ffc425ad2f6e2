"""Files and folders for their owner alone, whatever the umask: what a plant measures is nobody else's to read."""

import os
from contextlib import suppress
from pathlib import Path

_FOLDER, _FILE = 0o700, 0o600


def make_private_folder(path: str | Path) -> None:
    """Make a folder and those above it that are missing, each for its owner only; one that is there stays as it is."""
    folder = Path(path).absolute()
    for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
        missing.mkdir(mode=_FOLDER, exist_ok=True)


def create_private_file(path: str | Path) -> None:
    """Make an empty file for its owner only; one that is there stays as it is. Raises OSError where that cannot be.

    One that is there is not even opened: to close it would give up every lock that this process holds on it
    (POSIX, fcntl(2)), and SQLite's files are corrupted so.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _FILE))


def write_private_file(path: str | Path, content: bytes) -> None:
    """Write a new file for its owner only. Raises FileExistsError, so that nobody else's file is written into."""
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _FILE), "wb") as file:
        file.write(content)


def open_to_others(path: str | Path) -> bool:
    """Whether people beside its owner may read or write an existing file or folder."""
    return bool(os.stat(path).st_mode & 0o077)
