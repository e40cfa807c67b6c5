"""Among services of one model: the quick ones first, each session with one of them."""

from farthing.brain.route.equals import Equals
from farthing.core.exchange import Target

EAST, WEST, OTHER = Target("east", "m", "cheap"), Target("west", "m", "cheap"), Target("east", "n", "cheap")


def test_different_models_keep_their_order() -> None:
    equals = Equals()
    equals.note(EAST, 9.0)
    assert equals.arrange((EAST, OTHER), "s") == (EAST, OTHER)


def test_a_slow_region_comes_after_a_quick_one_and_returns_when_it_is_quick_again() -> None:
    equals = Equals()
    equals.note(EAST, 0.1)
    equals.note(WEST, 0.9)
    assert all(equals.arrange((WEST, EAST, OTHER), str(number)) == (EAST, WEST, OTHER) for number in range(20))
    for _ in range(30):
        equals.note(WEST, 0.1)
    assert {equals.arrange((WEST, EAST), str(number))[0] for number in range(20)} == {EAST, WEST}


def test_one_session_meets_one_service_again() -> None:
    equals = Equals()
    equals.note(EAST, 0.10)
    equals.note(WEST, 0.11)
    firsts = {equals.arrange((WEST, EAST), "session")[0] for _ in range(10)}
    assert len(firsts) == 1


def test_a_queue_that_the_engine_reports_counts_before_it_is_felt() -> None:
    waiting = {"east": 3.0, "west": 0.0}
    equals = Equals(lambda target: waiting[target.service])
    equals.note(EAST, 0.1)
    equals.note(WEST, 0.2)
    assert all(equals.arrange((EAST, WEST), str(number))[0] == WEST for number in range(20))
    waiting["east"] = 0.0
    assert all(equals.arrange((EAST, WEST), str(number))[0] == EAST for number in range(20))


def test_of_quick_services_the_cheap_one_comes_first_and_a_slow_one_is_not_waited_for_because_it_is_cheap() -> None:
    usd: dict[str, float | None] = {"east": 1.0, "west": 2.0, "north": None}
    equals, north = Equals(price=lambda target: usd[target.service]), Target("north", "m", "cheap")
    assert all(equals.arrange((WEST, EAST), str(number)) == (EAST, WEST) for number in range(20))
    assert {equals.arrange((WEST, EAST, north), str(number))[0] for number in range(20)} == {EAST, north}  # an unknown price is no reason
    equals.note(EAST, 0.9)
    equals.note(WEST, 0.1)
    assert all(equals.arrange((EAST, WEST), str(number)) == (WEST, EAST) for number in range(20))
