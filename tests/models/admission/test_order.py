"""Who goes next: people before batches, the nearer deadline, what the engine holds already, who came first; and nobody is passed over for ever."""

import json
import random
from itertools import count

from farthing.models.admission.order import MOST_PASSED, Slots, Waiting, marks_of, next_of, shared


def body(system: str, question: str, **before: object) -> bytes:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    return json.dumps({**before, "model": "m", "messages": messages}).encode()


def at(arrival: int, marks: tuple[int, ...] = (), *, deadline_s: float = 600.0, patient: bool = False) -> Waiting:
    return Waiting(arrival, deadline_s, marks, patient=patient)


LAW, CODE = marks_of(body("law " * 500, "?")), marks_of(body("code " * 500, "?"))


def test_prompts_share_what_they_begin_with_whatever_stands_before_them() -> None:
    one = marks_of(body("law " * 500, "who?", temperature=0))
    other = marks_of(body("law " * 500, "what?", temperature=0.5, stream=True))
    assert shared(one, other) == 6  # 2,000 characters and their quotes: 256, 512, 768, 1024, 1536, 2048
    assert shared(LAW, CODE) == 0
    assert marks_of(b'{"messages":[]}') == ()
    assert marks_of(b"x" * 300) == marks_of(b"x" * 400)


def test_first_come_first_served_where_nothing_else_speaks() -> None:
    assert next_of([at(0), at(1)], Slots(), 0.0, 0)[0].arrival == 0


def test_a_near_deadline_goes_first_and_a_slightly_nearer_one_does_not() -> None:
    assert next_of([at(0), at(1, deadline_s=20.0)], Slots(), 0.0, 0)[0].arrival == 1
    assert next_of([at(0), at(1, deadline_s=550.0)], Slots(), 0.0, 0)[0].arrival == 0
    assert next_of([at(0, deadline_s=-5.0), at(1, deadline_s=20.0)], Slots(), 0.0, 0)[0].arrival == 0


def test_background_calls_go_last_however_near_their_deadline() -> None:
    assert next_of([at(0, deadline_s=2.0, patient=True), at(1)], Slots(), 0.0, 0)[0].arrival == 1
    assert next_of([at(0, patient=True), at(1)], Slots(), 0.0, MOST_PASSED)[0].arrival == 1


def test_what_a_free_slot_holds_goes_first_then_what_is_running() -> None:
    slots = Slots()
    slots.started(LAW, 2, 1)
    slots.started(CODE, 2, 2)
    assert next_of([at(0), at(1, CODE)], slots, 0.0, 0)[0].arrival == 1
    slots.ended(LAW)
    assert next_of([at(0), at(1, CODE), at(2, LAW)], slots, 0.0, 0)[0].arrival == 2
    assert next_of([at(0, deadline_s=3.0), at(1, LAW)], slots, 0.0, 0)[0].arrival == 0


def test_a_slot_holds_its_last_prompt_until_another_takes_it() -> None:
    slots = Slots()
    for marks in (LAW, CODE):
        slots.started(marks, 2, 1)
        slots.ended(marks)
    slots.started(CODE, 2, 1)
    assert not slots.free.keys() & set(CODE)
    assert slots.free.keys() & set(LAW)
    slots.started((1, 2), 2, 2)
    assert not slots.free


def test_nobody_is_passed_over_for_ever() -> None:
    """A stream of calls that all fit a free slot, and one that does not."""
    slots = Slots()
    slots.started(LAW, 1, 1)
    slots.ended(LAW)
    waiting, passed, order = [at(0, CODE)], 0, list[int]()
    for arrival in range(1, 2 * MOST_PASSED):
        waiting.append(at(arrival, LAW))
        chosen, passed = next_of(waiting, slots, 0.0, passed)
        waiting.remove(chosen)
        order.append(chosen.arrival)
    assert order.index(0) == MOST_PASSED


def test_no_call_waits_for_more_than_its_share_whatever_comes() -> None:
    draw, slots, passed = random.Random(5), Slots(), 0
    groups = [marks_of(body(f"{group} " * 400, "?")) for group in range(6)]
    waiting: list[Waiting] = []
    came: dict[int, int] = {}
    for served in range(3_000):
        while len(waiting) < 12:
            entry = at(len(came), draw.choice(groups), deadline_s=draw.choice([served + 5.0, 600.0 + served]))
            came[entry.arrival] = served
            waiting.append(entry)
        chosen, passed = next_of(waiting, slots, float(served), passed)
        waiting.remove(chosen)
        slots.started(chosen.marks, 1, 1)
        slots.ended(chosen.marks)
        assert served - came[chosen.arrival] < 12 * (MOST_PASSED + 1)


def test_calls_that_begin_alike_meet_the_slot_that_holds_their_beginning() -> None:
    """Four slots, eight kinds of prompt, sixteen callers: how many prompts are found computed, in order of arrival and in ours."""
    groups = [marks_of(body(f"{group} " * 800, "?")) for group in range(8)]
    assert found(groups, ordered=False) < 0.2  # under load a single slot is free at a time, and one in eight fits it
    assert found(groups, ordered=True) > 0.45  # one and a half of each kind wait: the first pays, the others find it


def found(groups: list[tuple[int, ...]], *, ordered: bool) -> float:
    draw, slots, arrivals = random.Random(7), Slots(), count()
    waiting = [at(next(arrivals), draw.choice(groups)) for _ in range(16)]
    running: list[Waiting] = []
    held = passed = 0
    for _ in range(4_000):
        chosen, passed = next_of(waiting, slots, 0.0, passed) if ordered else (waiting[0], 0)
        waiting.remove(chosen)
        held += chosen.marks[-1] in slots.free
        running.append(chosen)
        slots.started(chosen.marks, 4, len(running))
        if len(running) == 4:
            slots.ended(running.pop(draw.randrange(4)).marks)
            waiting.append(at(next(arrivals), draw.choice(groups)))
    return held / 4_000
