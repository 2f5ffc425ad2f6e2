"""The view of the map of incidents: in an address and back, whatever the address says, and who lies within a shape."""

from datetime import UTC, datetime

import numpy as np
import pytest

from latentwatch.review.incident_view import IncidentView, corners_of, incident_view, inside, zoom_of

VIEW = IncidentView(
    by="entity",
    hidden=("rig-1", "a & b=c"),
    until=datetime(2026, 3, 1, 12, 30, tzinfo=UTC),
    zoom=(10.0, 60.0, 25.5, 75.0),
    around=((0.1, 0.2), (0.9, 0.2), (0.5, 0.8)),
)


def test_a_link_is_a_view() -> None:
    """All of it comes back; what is usual is not said."""
    assert incident_view(VIEW.query(version=3)) == VIEW
    assert "version=3" in VIEW.query(version=3)
    assert IncidentView().query() == ""


@pytest.mark.parametrize(
    "query",
    [
        "by=nothing",
        "zoom=1 2 3",
        "zoom=nan 50 0 50",
        "zoom=50 10 0 100",
        "zoom=0 100 0 100",
        "around=1 2 3",
        "around=inf 0 1 1 0 1",
        "until=yesterday",
        "around=" + "x" * 9000,
    ],
)
def test_a_wrong_address_is_the_usual_view(query: str) -> None:
    """Rather than an error."""
    assert incident_view(query) == IncidentView()


def test_nearer_and_farther_end_at_the_whole_map() -> None:
    """Three steps nearer and back."""
    view = IncidentView(zoom=IncidentView().nearer(1))
    assert view.zoom == pytest.approx((20, 80, 20, 80))
    assert view.nearer(-1) is None


@pytest.mark.parametrize("said", [None, {}, "1", [[0, 0], [1, 1]], [[0, 0], [1, "x"], [1, 1]], [[0, 0], [1], [1, 1]]])
def test_what_is_no_shape_is_none(said: object) -> None:
    """A browser may say anything."""
    assert corners_of(said) == ()
    assert zoom_of(said) is None


def test_a_shape_drawn_by_hand_is_thinned() -> None:
    """A circle of a thousand corners keeps who lies within."""
    turns = np.linspace(0, 2 * np.pi, 1000, endpoint=False)
    corners = corners_of(np.column_stack([0.5 + 0.3 * np.cos(turns), 0.5 + 0.3 * np.sin(turns)]).tolist())
    assert len(corners) == 48
    places = np.random.default_rng(0).random((500, 2))
    away = np.hypot(*(places - 0.5).T)
    within = inside(places.tolist(), corners)
    assert within[away < 0.29].all()
    assert not within[away > 0.31].any()


def test_a_hollow_shape_has_an_outside_within() -> None:
    """A U: its middle lies outside."""
    u = ((0, 0), (1, 0), (1, 1), (0.7, 1), (0.7, 0.3), (0.3, 0.3), (0.3, 1), (0, 1))
    assert inside([(0.15, 0.8), (0.5, 0.8), (0.85, 0.8), (0.5, 0.1)], u).tolist() == [True, False, True, True]
