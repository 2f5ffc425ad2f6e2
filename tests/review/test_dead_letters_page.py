"""What the page of dead letters says."""

from markupsafe import escape

from latentwatch.alerts.store import AlertStore
from latentwatch.domain.outcome import FIELD_VANISHED, AuditEntry, OffsetMove, Outcome
from latentwatch.domain.record import DeadLetter, Position, UnreadValue
from latentwatch.review.pages.dead import dead_markup
from latentwatch.review.pages.overview import overview_markup
from latentwatch.review.room import Room
from tests.review.sketch import EVIL


def test_a_stream_that_changed_its_shape_is_told_above_the_dead_letters(room: Room):
    """Of the last week; what the stream's words are is shown as text."""
    entry = AuditEntry(FIELD_VANISHED, None, f"field '{EVIL}' is missing", EVIL)
    AlertStore(room.engine, "pump", room.clock).commit(Outcome("pump", "pump.csv", (), audit=(entry,)))
    drawn = dead_markup(room, "pump", 0)
    assert "The stream has changed" in drawn
    assert str(escape(EVIL)) in drawn
    assert "The stream has changed" not in dead_markup(room, "pump", 1)


def test_a_thousand_dead_letters_of_one_kind_are_one_line(room: Room) -> None:
    """What their reasons quote differs, and is still there to be unfolded; another kind has a line of its own."""
    store = AlertStore(room.engine, "pump", room.clock)
    store.claim("topic", 0, 0)
    letters = tuple(
        DeadLetter(Position("topic", 0, number), f"field 'a' is text ('w{number}'), a number belongs there", b"{}")
        for number in range(150)
    )
    other = DeadLetter(Position("topic", 0, 150), "field 'b' is text ('w'), a number belongs there", b"{}")
    store.commit(Outcome("pump", "topic", (OffsetMove(0, 0, 151),), dead_letters=(*letters, other)))
    drawn = str(dead_markup(room, "pump", 0))
    assert "149 more like it on this page" in drawn
    assert drawn.count("<summary>") == 1
    assert drawn.count("field &#39;b&#39; is text") == 1
    assert drawn.count("topic[0]@") == 151


def test_values_that_could_not_be_read_have_a_line_a_field(room: Room) -> None:
    """With how many there were and the first of them as they were sent, whatever their senders wrote."""
    store = AlertStore(room.engine, "pump", room.clock)
    store.claim("topic", 0, 0)
    unread = tuple(
        UnreadValue(Position("topic", 0, number), EVIL, f"field {EVIL!r} is text", f'{{"a": "{EVIL}"}}'.encode())
        for number in range(1_150)
    )
    store.commit(Outcome("pump", "topic", (OffsetMove(0, 0, 1_151),), unread=unread))
    drawn = str(dead_markup(room, "pump", 0))
    assert "Values that could not be read" in drawn
    assert "<td>1,150</td>" in drawn
    assert "The first 10 as they were sent" in drawn
    assert EVIL not in drawn


def test_what_became_of_messages_is_told_above_the_dead_letters(room: Room):
    """Whoever sent a million messages in long form and finds a tenth of that scored sees where the others are."""
    store = AlertStore(room.engine, "pump", room.clock)
    store.claim("topic", 0, 0)
    store.commit(Outcome("pump", "topic", (OffsetMove(0, 0, 1_200),), aligned=1_100, passed=100))
    drawn = str(dead_markup(room, "pump", 0))
    assert "1,100 aligned into rows that others made, 100 passed over" in drawn
    assert all(told in overview_markup(room) for told in ("1,100 aligned", "100 passed over"))
