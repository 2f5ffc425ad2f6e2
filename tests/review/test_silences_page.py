"""The silences page: what it lists, what its form does, and that what people type stays text."""

from typing import Any

import pytest

from latentwatch.alerts.silences import listed_silences
from latentwatch.domain.alert import AlertStatus
from latentwatch.review.filters import view_of
from latentwatch.review.pages.silences import silences_markup
from latentwatch.review.room import Room
from latentwatch.review.silencing import silence, unsilence
from tests.review.sketch import EVIL

SAID = {
    "monitor": "pump", "entity": "rig-*", "feature": "", "weekly": "Sun 02:00-04:00", "start": "", "end": "",
    "reason": EVIL, "author": "ada",
}  # fmt: skip


def test_preview_writes_nothing_and_add_does(room: Room):
    """The preview says what would have been hidden; what was added is listed with a way to take it back."""
    done = silence(room, SAID | {"what": "preview"})
    assert not done.refused
    assert "It is about 1 of 2 entities: rig-a." in done.sentence
    assert "Nothing is silenced." in silences_markup(room, finished=False)
    assert "Silence 1 is added" in silence(room, SAID | {"what": "add"}).sentence
    listed = silences_markup(room, finished=False)
    assert "Sun 02:00-04:00" in listed
    assert 'data-emit="unsilence"' in listed
    assert EVIL not in listed
    assert not unsilence(room, {"id": "1", "author": "ben"}).refused
    assert "Nothing is silenced." in silences_markup(room, finished=False)
    assert "taken back" in silences_markup(room, finished=True)


@pytest.mark.parametrize(
    "said",
    [
        None, 7, {}, SAID | {"monitor": "none"}, SAID | {"weekly": "x"}, SAID | {"reason": ""},
        SAID | {"weekly": "", "start": "soon", "end": "later"}, SAID | {"weekly": ""},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_words(room: Room, said: Any):
    """Whatever a browser sends; nothing is written."""
    said = said | {"what": "add"} if isinstance(said, dict) else said
    assert silence(room, said).refused
    assert unsilence(room, said).refused
    assert listed_silences(room.engine, room.now(), finished=True) == []


def test_a_link_leads_to_what_a_silence_hid(room: Room):
    """The inbox by silence and by status, from the address."""
    view = view_of({"status": "silenced", "silence": "3"})
    wanted = view.filter(room.now())
    assert (wanted.statuses, wanted.silence) == ((AlertStatus.SILENCED,), 3)
    assert view.address() == "/alerts?status=silenced&silence=3"
    assert view_of({"silence": "-1"}).silence == view_of({"silence": "x"}).silence == 0
