"""An estimator on disk: its detector as a bundle, and beside it what the bundle does not say.

    path/estimator.json   format, which bundle, parameters, columns
    path/<hash>/          the bundle; see `latentwatch.detector.bundle`

JSON and safetensors, whose bytes the bundle's hash covers; nothing that is read can run code.
"""

import uuid
from typing import Any, Literal

from fsspec.implementations.local import LocalFileSystem
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from latentwatch.detector.bundle import DOCUMENT, Bundled, load_bundle, save_bundle
from latentwatch.detector.bundle_store import open_store
from latentwatch.detector.reading import Reading, with_roles
from latentwatch.domain.errors import BundleRefused, NotFound
from latentwatch.domain.private_files import write_private_file
from latentwatch.domain.schema import RecordSchema

DESCRIPTION = "estimator.json"


class _SavedPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Parameters(_SavedPart):
    """The estimator's parameters, under their own names."""

    kind: str
    effort: str
    window: int | Literal["auto"]
    density: str
    follow_drift: bool | Literal["auto"]
    false_alarm_rate: float = Field(gt=0, lt=1)
    random_state: int | None


class Learned(_SavedPart):
    """What `fit` found beside the detector."""

    offset: float
    """Minus the surprise from which a row is called abnormal."""
    width: int = Field(ge=1)
    """F, columns of X."""
    columns: list[str] | None
    """[F] their names, where X had names."""
    shift: tuple[float, ...] | None = Field(strict=False)
    """This and what follows: see `Reading`."""
    grouped: bool | None
    timed: bool | None
    by_name: bool
    entity: str | None
    """The column that holds groups, where it has a name."""
    time: str | None
    rows: int | None
    """How many rows it learned from."""
    span: tuple[int, int] | None = Field(strict=False)
    """When the first and the last of them were taken, microseconds since 1970 UTC."""

    def reading(self, schema: RecordSchema) -> Reading:
        """How X is read. Raises BundleRefused where that does not fit the detector's schema."""
        names = (
            self.width if self.columns is None else len(self.columns),
            self.width if self.shift is None else len(self.shift),
        )
        if names != (self.width, self.width) or (self.shift is not None and len(schema.names) != self.width):
            raise BundleRefused(f"{DESCRIPTION}: its columns do not fit the detector; save the estimator again")
        named = schema if self.by_name else with_roles(schema, self.time, self.entity)
        return Reading(named, self.shift, self.grouped, self.timed, self.by_name)


class SavedEstimator(_SavedPart):
    """The content of `estimator.json`."""

    format: Literal[1] = 1
    bundle: str = Field(pattern=r"^[0-9a-f]{64}$")
    parameters: Parameters
    learned: Learned


def write_estimator(path: str, detector: Bundled, parameters: Parameters, learned: Learned) -> None:
    """Write all below a folder or fsspec URL, over an estimator that was saved there before."""
    bundle = save_bundle(detector, path)
    content = SavedEstimator(bundle=bundle, parameters=parameters, learned=learned).model_dump_json(indent=1).encode()
    files, base = open_store(path)
    beside = f"{base}/.{DESCRIPTION}.{uuid.uuid4().hex}"
    if isinstance(files, LocalFileSystem):
        write_private_file(beside, content)
    else:
        files.pipe_file(beside, content)
    files.mv(beside, f"{base}/{DESCRIPTION}")


def read_estimator(path: str) -> tuple[SavedEstimator | None, Bundled]:
    """What was saved below a folder or URL; of a bundle's own folder the detector alone.

    Raises NotFound where neither is there, BundleRefused where it cannot be used.
    """
    files, base = open_store(path)
    if files.exists(f"{base}/{DESCRIPTION}"):
        saved = _parse(files.cat_file(f"{base}/{DESCRIPTION}"), path)
        return saved, load_bundle(path, saved.bundle)
    if not files.exists(f"{base}/{DOCUMENT}"):
        raise NotFound(
            f"{path}: no estimator was saved there; name the folder that 'save' was given, or one bundle's own folder"
        )
    root, _, bundle = path.rstrip("/").rpartition("/")
    return None, load_bundle(root or ("/" if path.startswith("/") else "."), bundle)


def _parse(content: bytes | Any, path: str) -> SavedEstimator:
    try:
        return SavedEstimator.model_validate_json(content)
    except ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join(map(str, wrong["loc"])) or DESCRIPTION
        raise BundleRefused(
            f"{path}/{DESCRIPTION}: {where}: {wrong['msg'].lower()}; save the estimator again, or read it with the version "
            "of latentwatch that wrote it"
        ) from None
