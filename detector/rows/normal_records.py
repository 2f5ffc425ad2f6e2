"""Normal records as they were, to be shown, or to be encoded again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.components.component import Floats
from latentwatch.domain.errors import BundleRefused
from latentwatch.domain.record import Batch, Value, number_type, values_of
from latentwatch.domain.schema import RecordSchema

LONGEST_TEXT = 300
"""Characters of a text that a bundle keeps."""


@dataclass(frozen=True, slots=True)
class Normal:
    """Records as they were: those that the memory keeps, shown as neighbours, or landmarks."""

    numbers: Floats
    """[M, numbers] as in a batch."""
    words: tuple[tuple[str | None, ...], ...]
    """By category, then text: the distinct values."""
    index: NDArray[np.int32]
    """[M, categories + texts] which of them each record has."""

    def __len__(self) -> int:
        return len(self.numbers)

    def values(self, places: NDArray[np.int64], schema: RecordSchema) -> list[dict[str, Value]]:
        """The records at those places, feature name to value."""
        names = (*schema.categories, *schema.texts)
        words = {name: [self.words[at][word] for word in self.index[places, at]] for at, name in enumerate(names)}
        return values_of(schema, self.numbers[places], words)

    def batch(self, schema: RecordSchema, entities: tuple[str, ...]) -> Batch:
        """The records [M] again, of those entities [M]; texts that were longer are cut, and there are no times."""
        count, categories = len(self.numbers), len(schema.categories)
        words = np.empty((count, len(self.words)), object)
        for at, known in enumerate(self.words):
            words[:, at] = np.array([*known, None], object)[self.index[:, at]]
        return Batch(
            schema=schema,
            numbers=self.numbers.astype(number_type(schema)),
            categories=words[:, :categories],
            texts=words[:, categories:],
            entities=np.array(entities, object),
            times=np.zeros(count, np.int64),
            source="landmarks",
            partitions=np.zeros(count, np.int32),
            offsets=np.arange(count, dtype=np.int64),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores as weights; NaN, which a bundle does not hold, becomes a mask."""
        missing = np.isnan(self.numbers)
        return {"numbers": np.nan_to_num(self.numbers), "missing": missing, "index": self.index}

    def meta(self) -> dict[str, Any]:
        """What a bundle stores as JSON."""
        return {"words": [list(words) for words in self.words]}

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], schema: RecordSchema) -> Self:
        """The inverse of `arrays` and `meta`."""
        numbers, index = np.where(arrays["missing"], np.nan, arrays["numbers"]).astype(np.float32), arrays["index"]
        words = tuple(tuple(words) for words in meta["words"])
        columns = len(schema.categories) + len(schema.texts)
        fits = numbers.shape == (len(index), len(schema.numbers)) and index.shape[1:] == (len(words),) == (columns,)
        if not fits or any(len(index) and index[:, at].max() >= len(known) for at, known in enumerate(words)):
            raise BundleRefused("the normal records do not fit the schema; the bundle is damaged: train again")
        return cls(numbers, words, index)


def keep_normal(batch: Batch) -> Normal:
    """The records of a batch, to be kept."""
    words, index = [], np.zeros((len(batch), len(batch.schema.categories) + len(batch.schema.texts)), np.int32)
    for at, column in enumerate([*batch.categories.T, *batch.texts.T]):
        values = [None if value is None else str(value)[:LONGEST_TEXT] for value in column]
        places = {value: place for place, value in enumerate(dict.fromkeys(values))}
        words.append(tuple(places))
        index[:, at] = [places[value] for value in values]
    return Normal(np.where(np.isfinite(batch.numbers), batch.numbers, np.nan).astype(np.float32), tuple(words), index)
