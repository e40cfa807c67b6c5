"""Shares of traffic: who is drawn, and what is kept of them."""

import asyncio
import json

import pytest

from farthing.brain.flow import journey
from farthing.brain.row import drawn_for
from farthing.config import Sampling
from farthing.core.request import Dialect
from tests.brain.world import ANSWER, CHUNKS, World

ASKED = {"model": "farthing/cheap", "temperature": 0, "messages": [{"role": "user", "content": "Mail ann@example.com"}]}
ALL = Sampling(log=1.0)


def serve(world: World, dialect: Dialect = Dialect.CHAT, **changes: object) -> None:
    asyncio.run(journey(world.exchange(json.dumps(ASKED | changes).encode(), dialect), world.house, world.caller()))


def test_the_share_is_kept_and_a_draw_can_be_repeated() -> None:
    ids = [f"req_{number}" for number in range(20_000)]
    drawn = [drawn_for(one, Sampling(log=0.1, judge=0.5, shadow=0.01)) for one in ids]
    assert drawn == [drawn_for(one, Sampling(log=0.1, judge=0.5, shadow=0.01)) for one in ids]
    counts = {name: sum(name in (found or "") for found in drawn) for name in ("log", "judge", "shadow")}
    assert counts == {"log": pytest.approx(2000, rel=0.1), "judge": pytest.approx(10_000, rel=0.1), "shadow": pytest.approx(200, rel=0.3)}


def test_a_larger_share_draws_all_of_a_smaller_one() -> None:
    ids = [f"req_{number}" for number in range(2000)]
    few, many = ({one for one in ids if drawn_for(one, Sampling(judge=share))} for share in (0.1, 0.3))
    assert few < many


def test_nothing_is_drawn_without_shares() -> None:
    assert drawn_for("req_1", Sampling()) is None


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_drawn_for_the_log_keeps_its_words_redacted(stream: bool) -> None:
    world = World([CHUNKS if stream else [ANSWER]], sampling=ALL)
    for _ in range(2):
        serve(world, stream=stream)
    assert [(row.cache, row.sampled, row.prompt, row.answer) for row in world.book.rows] == [
        (kind, "log", "user: Mail [email]", "A quarter of a penny.") for kind in ("miss", "exact")
    ]


def test_one_drawn_for_something_else_keeps_none() -> None:
    world = World(sampling=Sampling(judge=1.0, shadow=1.0))
    serve(world)
    row = world.book.rows[0]
    assert (row.sampled, row.prompt, row.answer) == ("judge,shadow", None, None)


def test_vectors_have_no_words() -> None:
    vectors = (
        b'{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5]}],"model":"small","usage":{"prompt_tokens":1,"total_tokens":1}}'
    )
    world = World([[vectors]], sampling=ALL)
    asyncio.run(journey(world.exchange(b'{"model":"small","input":"words"}', Dialect.EMBEDDINGS), world.house, world.caller()))
    assert [(row.outcome, row.prompt, row.answer) for row in world.book.rows] == [("ok", "user: words", None)]
