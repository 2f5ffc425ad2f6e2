"""What every source promises, held against the in-memory broker and files of every format."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from latentwatch.streams.ports import Source
from latentwatch.streams.sources.file_source import FileSource
from latentwatch.streams.sources.memory_broker import MemoryBroker
from tests.streams.contract import SourceContract
from tests.streams.stage import record


def of_memory(folder: Path, count: int) -> Source:
    """The in-memory broker's."""
    broker = MemoryBroker()
    for number in range(count):
        broker.produce(record(number))
    return broker.join()


def of_csv(folder: Path, count: int) -> Source:
    """A CSV file, some records with a line break inside quotes."""
    path = folder / "records.csv"
    lines = "".join(f'{number},"two\nlines {number}"\r\n' for number in range(count))
    path.write_text(f"number,text\r\n{lines}", newline="")
    return FileSource(str(path))


def of_jsonl(folder: Path, count: int) -> Source:
    """JSON lines, the last one without its end."""
    path = folder / "records.jsonl"
    path.write_bytes(b"\n".join(record(number) for number in range(count)))
    return FileSource(str(path))


def of_parquet(folder: Path, count: int) -> Source:
    """Parquet."""
    path = folder / "records.parquet"
    pd.DataFrame({"number": range(count)}).to_parquet(path)
    return FileSource(str(path))


@pytest.mark.parametrize("make", [of_memory, of_csv, of_jsonl, of_parquet])
class TestSources(SourceContract):
    """Memory and files."""

    @pytest.fixture
    def source(self, make: Callable[[Path, int], Source], tmp_path: Path) -> Source:
        """A hundred records."""
        return make(tmp_path, self.COUNT)
