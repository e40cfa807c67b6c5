"""Near-identical questions in flight: one call, where the certificate lets the answer of one serve the other, and not otherwise."""

import asyncio
import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from tests.brain.cache.test_semantic_lane import NOW, ConstantEmbedder, _chat, agree, entry, lane
from tests.brain.world import World

from farthing.brain.cache.flight import Flight, Flights
from farthing.brain.cache.semantic.entries import Entry, Pending
from farthing.brain.cache.semantic.lane import SemanticLane
from farthing.brain.flow import journey
from farthing.brain.meaning import Meaning
from farthing.config import Cache
from farthing.core.errors import UpstreamBroken
from farthing.core.exchange import Exchange
from farthing.core.forgetting import Drop
from farthing.core.request import Dialect
from farthing.wire.question import question

RETURNS = "how do i return a lamp"


def vector(word: str) -> "np.ndarray":
    """Far from that of every other word."""
    found = np.random.default_rng(int.from_bytes(word.encode()[-7:])).normal(size=64).astype(np.float32)
    return found / np.linalg.norm(found)


ELSEWHERE = vector("lamp")


def words() -> Iterator[str]:
    """Things that one may want to return."""
    return ("".join(letters) for letters in itertools.product("bdfgk", "aeiou", "lmnr", "aeiou", "st"))


async def teach(subject: SemanticLane, times: int = 450) -> None:
    """Things asked for in two wordings, one after the other: what a question that has been asked once is worth."""
    for number, word in enumerate(itertools.islice(words(), times)):
        for way, text in enumerate((f"how do i return a {word}", f"how can i return a {word}?")):
            pending = subject.decide(b"s", text, vector(word), "anna", NOW)
            same = agree if way else differ
            await subject.keep(pending, entry(2 * number + way, question=text, text=f"{way} {word}"), same)


async def differ(_fresh: Entry, _kept: Entry) -> bool:
    return False


def airborne(mode: str = "on") -> tuple[SemanticLane, Flight]:
    """A certified lane with a call in flight for a question that it has never seen."""
    subject, flight = lane(mode), Flights().lead(b"k")
    asyncio.run(teach(subject))
    subject.departs(subject.decide(b"s", RETURNS, ELSEWHERE, "anna", NOW), "anna", flight)
    return subject, flight


def ask(subject: SemanticLane, question: str = "how can i return a lamp?", *, voice: str = "anna") -> Pending:
    """Until it is not drawn for an audit."""
    for _ in range(50):
        pending = subject.decide(b"s", question, ELSEWHERE, voice, NOW)
        if not pending.look.audited:
            return pending
    raise AssertionError("audited fifty times in a row")


def test_a_near_question_joins_the_call_of_the_same_voice() -> None:
    subject, flight = airborne()
    pending = ask(subject)
    assert pending.joins is not None, pending.look.reason
    assert (pending.joins.flight is flight, pending.serves) == (True, None)


@pytest.mark.parametrize("question", ["how do i return 3 lamps", "how do i not return a lamp", 'how do i return a "lamp"'])
def test_what_a_veto_keeps_apart_makes_its_own_call(question: str) -> None:
    assert ask(airborne()[0], question).joins is None


def test_nobody_joins_the_call_of_another_voice_or_of_another_scope() -> None:
    subject, _ = airborne()
    assert ask(subject, voice="mallory").joins is None
    assert subject.decide(b"other", RETURNS, ELSEWHERE, "anna", NOW).joins is None


def test_nobody_joins_a_call_that_landed_or_that_something_was_dropped_under() -> None:
    subject, flight = airborne()
    subject.drop(Drop("document", "help/a", at=NOW))
    assert ask(subject).joins is None
    subject, flight = airborne()
    flight.land()
    assert ask(subject).joins is None


def test_watching_shares_nothing() -> None:
    assert ask(airborne("watch")[0]).joins is None


def test_guests_leave_no_trace_in_the_namespace() -> None:
    subject, _ = airborne()
    space = subject._spaces[b"s"]
    before = (len(space.texts), len(space.namespace.group_of), len(space.namespace.records))
    ask(subject)
    assert (len(space.texts), len(space.namespace.group_of), len(space.namespace.records)) == before


class ByThing(ConstantEmbedder):
    """The last word of a question is what it means."""

    async def embed(self, text: str) -> "np.ndarray":
        return vector(text.strip(" ?").rpartition(" ")[2])


async def certified() -> World:
    world = World(cache=Cache(normalised=False))
    subject = lane()
    subject.embedder = ByThing()
    meaning = world.house.meaning = Meaning(subject, world.clock, same=agree)
    found = question(Dialect.CHAT, _chat(RETURNS))
    assert found is not None
    scope = meaning.scope(world.exchange(_chat(RETURNS)).inbound, found)
    await teach(subject)
    subject._spaces[scope] = subject._spaces.pop(b"s")
    return world


async def together(world: World, texts: tuple[str, ...]) -> list[Exchange]:
    found = [world.exchange(_chat(text)) for text in texts]
    callers = [world.caller() for _ in texts]
    await asyncio.gather(*(journey(x, world.house, caller) for x, caller in zip(found, callers, strict=True)), return_exceptions=True)
    return found


def test_the_journey_shares_one_call_and_books_a_hit_by_meaning() -> None:
    async def scenario() -> None:
        world = await certified()
        for number in range(20):
            calls = len(world.models.calls)
            leader, follower = await together(world, (RETURNS + " " * number, "how can i return a lamp" + "?" * (number + 1)))
            if follower.cache == "semantic":
                break
        assert leader.cache == "miss"
        assert len(world.models.calls) == calls + 1
        assert follower.cache_entry == "ans" + leader.inbound.request_id.removeprefix("req")
        assert (follower.cost_usd, follower.cache_similarity) == (0, 1.0)
        said = next(decision for decision in follower.decisions if decision.action == "semantic")
        assert "in flight" in said.reason
        assert "asked as: how do i return a lamp" in said.reason

    asyncio.run(scenario())


def test_who_shares_a_call_shares_its_failure() -> None:
    async def scenario() -> None:
        world = await certified()
        for number in range(20):
            world.models.scripts = [[UpstreamBroken("gone")]]
            calls = len(world.models.calls)
            leader, follower = await together(world, (RETURNS + " " * number, "how can i return a lamp" + "?" * (number + 1)))
            if len(world.models.calls) == calls + 1:
                break
        assert (leader.outcome, follower.outcome) == ("upstream_error", "upstream_error")
        assert len(world.models.calls) == calls + 1

    asyncio.run(scenario())
