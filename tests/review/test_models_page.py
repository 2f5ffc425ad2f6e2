"""The models page: another version serves by a button, a refusal is taken back, and who does not serve says why."""

import pytest

from latentwatch.alerts.heartbeats import Heartbeat, beat
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.review.actions import choose_model
from latentwatch.review.pages.models import models_markup
from latentwatch.review.room import Room


def test_a_refusal_is_taken_back_on_the_page(room: Room):
    """The models page offers what undoes a refusal and what lets another version serve, and both do it."""
    registry = ModelRegistry(room.engine, room.clock)
    for bundle in "cd":
        registry.register("pump", bundle * 64, "denoising", 1, None, None, None)
    registry.promote("pump", 2, "a try")
    registry.refuse("pump", 2, "its content does not match its name")
    content = models_markup(room, "pump")
    assert "and version 1 serves" in content
    assert 'data-what="restore" data-version="2"' in content
    assert 'data-what="promote" data-version="3"' in content
    restored = choose_model(room, "pump", {"what": "restore", "version": "2", "author": "Ada"})
    assert (restored.refused, restored.sentence) == (False, "Version 2 is no longer refused.")
    assert "Version 2 serves" in choose_model(room, "pump", {"what": "promote", "version": "2"}).sentence
    assert "refusal taken back by Ada" in models_markup(room, "pump")


@pytest.mark.parametrize(
    "said", [None, {}, {"what": "promote"}, {"what": "drop", "version": "1"}, {"what": "promote", "version": "9" * 30}]
)
def test_a_made_up_choice_of_a_model_changes_nothing(room: Room, said: object):
    """Malformed messages about models are refused with a sentence."""
    assert choose_model(room, "pump", said).refused


def test_the_models_page_says_who_does_not_serve(room: Room):
    """A scorer that cannot serve the champion is named with its reason, and one that can is not."""
    assert "The other scorers go on" not in models_markup(room, "pump")
    reason = "version 1 cannot be served here: bundle b1 cannot be read whole below /wrong"
    now = room.now()
    beat(room.engine, Heartbeat("s", "pump", "rig-7", 41, now, now, None, [], None, None, 0, 0.0, reason))
    content = models_markup(room, "pump")
    assert "Scorer 41 on rig-7" in content
    assert "below /wrong" in content
