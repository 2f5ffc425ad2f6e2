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
from latentwatch.review import missed_api, schemas
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
