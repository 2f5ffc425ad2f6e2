"""What a label teaches most about: many alike first, what nobody has said anything of, each of many once."""

from hypothesis import given
from hypothesis import strategies as st

from latentwatch.domain.incident import pattern_of
from latentwatch.domain.teaching import teaching_order

COUNTRY, AMOUNT, TEXT = (pattern_of({name: 1.0}) for name in ("country", "amount", "text"))


def test_many_alike_come_before_one_alone() -> None:
    """A label on one of thirty answers thirty."""
    assert teaching_order([AMOUNT, *[COUNTRY] * 30], [], [], [1.0] * 31)[0] == 1


def test_each_kind_is_asked_about_before_a_second_of_one() -> None:
    """The second of three alike teaches less than the first of one alone."""
    order = teaching_order([COUNTRY, COUNTRY, COUNTRY, AMOUNT], [], [], [1.0] * 4)
    assert order[:2] == [0, 3]


def test_what_was_judged_often_and_alike_comes_last() -> None:
    """Twenty times false is known; ten of each is as unsure as nothing."""
    labelled, said = [COUNTRY] * 20 + [AMOUNT] * 20, [False] * 20 + [True, False] * 10
    assert teaching_order([COUNTRY, AMOUNT, TEXT], labelled, said, [1.0, 1.0, 1.1]) == [1, 2, 0]


def test_of_equals_the_one_nearer_to_the_threshold_comes_first() -> None:
    """What is far beyond it is surer to be something."""
    assert teaching_order([COUNTRY, AMOUNT], [], [], [2.0, 1.1]) == [1, 0]


def test_what_stopped_sending_has_no_reasons_and_is_like_nothing() -> None:
    """An empty pattern."""
    assert teaching_order([{}, {}, COUNTRY, COUNTRY], [], [], [1.0] * 4)[0] == 2
    assert teaching_order([], [], [], []) == []


@given(st.lists(st.tuples(st.sampled_from([COUNTRY, AMOUNT, TEXT, {}]), st.floats(0, 9)), max_size=12))
def test_each_is_listed_once(drawn: list[tuple[dict[str, float], float]]) -> None:
    """Whatever they are like."""
    order = teaching_order([pattern for pattern, _ in drawn], [COUNTRY], [True], [margin for _, margin in drawn])
    assert sorted(order) == list(range(len(drawn)))
