"""Records as rows of numbers: every type on one scale, what is missing marked and not invented.

Batch [N] -> Rows(values [N, P], present [N, P])

Columns of a row, in order: every numeric and boolean feature, two for each cyclic one (sine and cosine), an indicator for
each number that was sometimes missing in training (what it shows, `weigh_gaps` says), every category's columns, every text's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.cyclic import on_the_dial
from latentwatch.detector.rows.numbers import MOVED, NumberScale, fit_numbers
from latentwatch.detector.rows.words import CategoryTable, TextMap, fit_category, fit_text
from latentwatch.domain.errors import BundleRefused
from latentwatch.domain.record import Batch, Value
from latentwatch.domain.schema import Feature, FeatureType, RecordSchema

Floats: TypeAlias = NDArray[np.float32]
_LEAST_GAP = 0.25
"""What a missing value counts at least."""


@dataclass(frozen=True, slots=True)
class Rows:
    """N records as the models see them."""

    values: Floats
    """[N, P] finite; 0, the middle, where nothing was there."""
    present: NDArray[np.bool_] | None
    """[N, P] False where a value was missing; None when everything was there."""


@dataclass(frozen=True, slots=True)
class Features:
    """How records of a schema become rows, learned from training records."""

    schema: RecordSchema
    scale: NumberScale
    """Over the plain numbers (numeric and boolean)."""
    sometimes: tuple[int, ...]
    """Plain numbers that were sometimes missing in training, by place."""
    gaps: Floats
    """[len(sometimes)] what the column that says so shows where one is missing: see `weigh_gaps`."""
    categories: tuple[CategoryTable, ...]
    texts: tuple[TextMap, ...]
    plain: list[int] = field(init=False, repr=False, compare=False)
    """Columns of the plain numbers in `Batch.numbers`."""
    cyclic: list[tuple[int, float]] = field(init=False, repr=False, compare=False)
    """Column and period of each cyclic number."""

    def __post_init__(self) -> None:
        places = zip(_cyclic(self.schema), _places(self.schema, cyclic=True), strict=True)
        object.__setattr__(self, "plain", _places(self.schema, cyclic=False))
        object.__setattr__(self, "cyclic", [(column, float(feature.period or 1.0)) for feature, column in places])

    @property
    def owners(self) -> NDArray[np.intp]:
        """[P] the feature each column belongs to, by its place in the schema."""
        place = {name: at for at, name in enumerate(self.schema.names)}
        plain = [feature.name for feature in _plain(self.schema)]
        names = [*plain]
        names += [feature.name for feature in _cyclic(self.schema) for _ in range(2)]
        names += [plain[at] for at in self.sometimes]
        for name, table in zip(self.schema.categories, self.categories, strict=True):
            names += [name] * table.width
        for name, text in zip(self.schema.texts, self.texts, strict=True):
            names += [name] * text.width
        return np.array([place[name] for name in names], np.intp)

    @property
    def readings(self) -> NDArray[np.bool_]:
        """[P] False for a column that only says whether a value is missing."""
        numbers = len(self.plain) + 2 * len(self.cyclic)
        places = np.arange(len(self.owners))
        return (places < numbers) | (places >= numbers + len(self.sometimes))

    def transform(self, batch: Batch) -> Rows:
        """The batch's rows."""
        plain = batch.numbers[:, self.plain] if self.cyclic else batch.numbers
        scores = self.scale.transform(plain, batch.entities)
        parts = [scores, *(_circle(batch.numbers[:, column], period) for column, period in self.cyclic)]
        numbers = np.concatenate(parts, axis=1) if len(parts) > 1 else scores
        missing = np.isnan(numbers)
        present = None
        if missing.any():
            present = np.ones((len(batch), len(self.owners)), bool)
            present[:, : numbers.shape[1]] = self._note_missing(numbers, missing)
        columns = [numbers.astype(np.float32)]
        if self.sometimes:
            columns.append(missing[:, list(self.sometimes)] * self.gaps)
        columns += [table.transform(batch.categories[:, at]) for at, table in enumerate(self.categories)]
        columns += [text.transform(batch.texts[:, at]) for at, text in enumerate(self.texts)]
        return Rows(np.concatenate(columns, axis=1) if len(columns) > 1 else columns[0], present)

    def _note_missing(self, numbers: NDArray[np.float64], missing: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Fill what is missing in place: with the middle, or, where it never was missing in training, as moved."""
        plain = len(self.scale.centre)
        expected = np.ones(numbers.shape[1], bool)
        expected[:plain] = False
        expected[list(self.sometimes)] = True
        numbers[missing] = 0.0
        surprising = missing & ~expected
        numbers[surprising] = MOVED
        return ~missing | surprising

    def read(self, rows: NDArray[np.float64], entities: NDArray[np.object_]) -> list[dict[str, Value]]:
        """What rows [N, P] say of each feature, in the records' own units and the schema's order; None for a text."""
        owners = self.owners
        numbers = self.scale.inverse(rows[:, : len(self.scale.centre)], entities)
        columns = {
            feature.name: self._read(feature, rows, numbers, np.flatnonzero(owners == place))
            for place, feature in enumerate(self.schema.features)
        }
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def _read(
        self, feature: Feature, rows: NDArray[np.float64], numbers: NDArray[np.float64], columns: NDArray[np.intp]
    ) -> list[Value]:
        if feature.type is FeatureType.TEXT:
            return [None] * len(rows)
        if feature.type is FeatureType.CATEGORY:
            table = self.categories[self.schema.categories.index(feature.name)]
            return [table.closest(row) for row in rows[:, columns[:-1]].astype(np.float32)]
        if feature.type is FeatureType.CYCLIC:
            sine, cosine = rows[:, columns[:2]].T
            turned: list[Value] = on_the_dial(np.arctan2(sine, cosine) / (2 * np.pi), feature.period or 1.0).tolist()
            return turned
        values = numbers[:, columns[0]]
        read: list[Value] = (values > 0.5).tolist() if feature.type is FeatureType.BOOLEAN else values.tolist()
        return read

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores as weights."""
        out = {f"scale.{name}": array for name, array in self.scale.arrays().items()}
        out["gaps"] = self.gaps
        out |= {f"category.{at}": table.places for at, table in enumerate(self.categories)}
        for at, text in enumerate(self.texts):
            out |= {f"text.{at}.directions": text.directions, f"text.{at}.middle": text.middle}
        return out

    def meta(self) -> dict[str, Any]:
        """What a bundle stores as JSON."""
        return {
            "schema": self.schema.model_dump(mode="json"),
            "entities": list(self.scale.entities),
            "sometimes_missing": list(self.sometimes),
            "levels": [list(table.levels) for table in self.categories],
            "texts": [
                {"gain": text.gain, "outside": list(text.outside), "had_missing": text.had_missing}
                for text in self.texts
            ],
        }

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> Self:
        """The inverse of `arrays` and `meta`."""
        schema = RecordSchema.model_validate(meta["schema"])
        numbers = {name: arrays[f"scale.{name}"] for name in ("centre", "spread", "shifts")}
        if arrays["gaps"].shape != (len(meta["sometimes_missing"]),):
            raise BundleRefused("what a missing value counts has a wrong shape; the bundle is damaged: train again")
        return cls(
            schema,
            NumberScale.from_bundle(numbers, meta["entities"], len(_plain(schema))),
            tuple(int(at) for at in meta["sometimes_missing"]),
            arrays["gaps"],
            tuple(CategoryTable(tuple(levels), arrays[f"category.{at}"]) for at, levels in enumerate(meta["levels"])),
            tuple(
                TextMap(
                    arrays[f"text.{at}.directions"],
                    arrays[f"text.{at}.middle"],
                    float(text["gain"]),
                    (float(text["outside"][0]), float(text["outside"][1])),
                    bool(text["had_missing"]),
                )
                for at, text in enumerate(meta["texts"])
            ),
        )


def fit_features(batch: Batch, seed: int) -> Features:
    """Learn how records become rows from training records."""
    schema = batch.schema
    plain = batch.numbers[:, _places(schema, cyclic=False)]
    scale = fit_numbers(plain, batch.entities)
    company = np.nan_to_num(scale.transform(plain, batch.entities))
    missing = np.isnan(plain)
    sometimes = tuple(np.flatnonzero(missing.any(axis=0) & ~missing.all(axis=0)).tolist())
    return Features(
        schema,
        scale,
        sometimes,
        weigh_gaps(missing[:, list(sometimes)]),
        tuple(fit_category(batch.categories[:, at], company, seed + at) for at in range(len(schema.categories))),
        tuple(fit_text(batch.texts[:, at]) for at in range(len(schema.texts))),
    )


def weigh_gaps(missing: NDArray[np.bool_]) -> Floats:
    """[S] what a gap counts in columns [N, S] that have some: 1 where half of the values are missing, as a habit is worth
    telling; less the rarer they are, down to a quarter. Normal rows lie nearer to each other than 1, so that every accident
    of transmission would otherwise stand alone, stranger than most faults.

    >>> weigh_gaps(np.arange(1000)[:, None] < [500, 100, 2]).round(2).tolist()
    [1.0, 0.6000000238418579, 0.25]
    """
    share = missing.mean(axis=0)
    return np.asarray(np.maximum(_LEAST_GAP, 2 * np.sqrt(share * (1 - share))), np.float32)


def _plain(schema: RecordSchema) -> list[Feature]:
    return [feature for feature in schema.features if feature.is_number and feature.type is not FeatureType.CYCLIC]


def _cyclic(schema: RecordSchema) -> list[Feature]:
    return [feature for feature in schema.features if feature.type is FeatureType.CYCLIC]


def _places(schema: RecordSchema, *, cyclic: bool) -> list[int]:
    """Columns of the cyclic numbers in `Batch.numbers`, or of the others."""
    return [at for at, name in enumerate(schema.numbers) if (schema.feature(name).type is FeatureType.CYCLIC) == cyclic]


def _circle(values: NDArray[Any], period: float) -> NDArray[np.float64]:
    """[N, 2] sine and cosine; NaN where the value is missing."""
    with np.errstate(invalid="ignore"):
        angle = values.astype(np.float64) * (2 * np.pi / period)
        return np.stack([np.sin(angle), np.cos(angle)], axis=1)
