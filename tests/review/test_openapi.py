"""The API does what its description says: generated requests, answers compared with the schema."""

from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import positive_data_acceptance
from sqlalchemy import Engine

from latentwatch.domain.clock import ManualClock
from latentwatch.review.app import create_api
from latentwatch.review.config import ReviewConfig

TOKEN = {"Authorization": "Bearer t0ken"}


@pytest.fixture
def api(engine: Engine, clock: ManualClock, tmp_path: Path) -> BaseSchema:
    """The description as a program reads it, of an app that asks for a token."""
    app = create_api(engine, ReviewConfig(token="t0ken"), str(tmp_path / "bundles"), clock)
    return schemathesis.openapi.from_asgi("/api/openapi.json", app, headers=TOKEN)


def test_every_answer_is_one_that_the_description_has(api: BaseSchema):
    """Whatever is sent, right or wrong, status, type and body of the answer are described, and nothing ends in a 500."""
    tried = 0
    for found in api.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=10, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
        )
        @given(case=operation.as_strategy())
        def holds(case: Case) -> None:
            # 422 also says what a well-formed request may not do now, such as roll back a monitor without a former model.
            case.call_and_validate(headers=TOKEN, excluded_checks=[positive_data_acceptance])

        holds()
        tried += 1
    assert tried >= 14


def test_the_description_says_how_to_log_in_and_what_is_refused(api: BaseSchema):
    """Every operation but health asks for a token or a session, and says how it refuses."""
    paths = api.raw_schema["paths"]
    assert "security" not in paths["/api/healthz"]["get"]
    del paths["/api/healthz"]
    for path, item in paths.items():
        for operation in item.values():
            assert operation["security"] == [{"token": []}, {"session": []}]
            assert "401" in operation["responses"]
            assert ("404" in operation["responses"]) is ("{" in path)
