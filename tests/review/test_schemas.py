"""What the API calls a noun has the fields that the domain gives it."""

from dataclasses import fields

import pytest
from pydantic import BaseModel

from latentwatch.alerts.missed_stretches import MissedStretch
from latentwatch.alerts.reading import EntityFacts, MapPoint
from latentwatch.alerts.reading.alert import AlertEvent
from latentwatch.domain.alert import Alert, Label
from latentwatch.domain.model import Evaluation, ModelVersion
from latentwatch.domain.outcome import TracePoint
from latentwatch.domain.recurrence import Recurrence
from latentwatch.review import missed_api, schemas
from latentwatch.review.kind_schemas import RecurrenceOut
from latentwatch.review.promise import Promise


@pytest.mark.parametrize(
    ("said", "noun", "kept_back"),
    [
        (schemas.AlertOut, Alert, ()),
        (schemas.EntityOut, EntityFacts, ()),
        (schemas.EvaluationOut, Evaluation, ()),
        (schemas.EventOut, AlertEvent, ()),
        (schemas.LabelOut, Label, ()),
        (schemas.ModelOut, ModelVersion, ()),
        (missed_api.StretchOut, MissedStretch, ()),
        (schemas.PlaceOut, MapPoint, ()),
        (schemas.PromiseOut, Promise, ()),
        (schemas.TraceOut, TracePoint, ("offset", "partition")),
    ],
)
def test_the_api_says_all_that_the_domain_knows(said: type[BaseModel], noun: type, kept_back: tuple[str, ...]) -> None:
    """A field that the domain gains is said by the API too, or is named here as kept back."""
    assert list(said.model_fields) == [field.name for field in fields(noun) if field.name not in kept_back]


def test_the_api_says_all_of_a_kind_and_the_words_for_it() -> None:
    """Programs need not put the sentence together again."""
    assert list(RecurrenceOut.model_fields) == [*(field.name for field in fields(Recurrence)), "in_words"]
