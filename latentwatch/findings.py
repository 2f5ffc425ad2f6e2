"""What `latentwatch doctor` finds, and what it has to look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from latentwatch.alerts.database import Engine, SchemaState, open_database, schema_state, wait_for_database
from latentwatch.alerts.monitors import monitors
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.errors import LatentwatchError, Unavailable
from latentwatch.domain.monitor import Monitor
from latentwatch.settings import Settings

_PATIENCE_SECONDS = 3.0


class FindingState(StrEnum):
    """How a finding stands."""

    FINE = "fine"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    state: FindingState
    detail: str
    fix: str = ""


@dataclass(frozen=True)
class Scene:
    """What there is to look at."""

    settings: Settings
    files: Sequence[Path]
    """Monitor files that were named."""

    @cached_property
    def _database(self) -> Engine | LatentwatchError:
        """Asked once, so that one that is away costs its patience once and not in every check."""
        try:
            engine = open_database(self.settings.database, connect_seconds=int(_PATIENCE_SECONDS))
            wait_for_database(engine, SystemClock(), lambda reason, seconds: None, patience_seconds=_PATIENCE_SECONDS)
        except LatentwatchError as error:
            return error
        return engine

    def answering(self) -> Engine:
        """The database. Raises what kept it from answering."""
        if isinstance(self._database, LatentwatchError):
            raise self._database
        return self._database

    def prepared(self) -> Engine:
        """The database, whose tables are those of this version. Raises what kept it from answering, else Unavailable."""
        engine = self.answering()
        if schema_state(engine) is not SchemaState.CURRENT:
            raise Unavailable("the database's tables are of another version")
        return engine

    def registered(self) -> list[Monitor]:
        """The monitors that the database knows; none where it does not answer or is of another version."""
        try:
            return monitors(self.prepared())
        except LatentwatchError:
            return []
