"""Answers in another spelling and by meaning, through the real SDKs: nobody can tell, but by the header and the bill; and what a kill leaves."""

import asyncio
import itertools
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from farthing.brain.cache.persist import answer_of
from farthing.brain.lessons import encode_labels, read
from farthing.config import Semantic, Store
from farthing.lab.cache.calibrate import Pair, calibrate
from farthing.models.embed import shipped
from farthing.stores.sqlite.cachefile import CacheFile
from tests.conformance.speak import SPEAKERS, UPSTREAMS, Answer, Clients, Question
from tests.fakes.gateway import UPSTREAM_ENV, Gateway, poll, upstream_config
from tests.fakes.http_client import post
from tests.fakes.upstream import FakeUpstream

SAVER = {"x-farthing-endpoint": "saver"}
CONFIG = """
[endpoints.saver]
profile = "saver"

[quality]
daily_usd = 5

[cache.semantic]
mode = "on"
judge = "judge-1"

[services.judges]
base_url = "{url}/v1"
api_key_env = "FAKE_OPENAI_KEY"
models = ["judge-*"]

[models."judge-1"]
service = "judges"
input_usd_per_mtok = 0.1
output_usd_per_mtok = 0.1
"""
VERBS = ("reset", "replace", "install", "clean", "mount", "repair", "calibrate", "paint", "charge", "label", "rotate", "seal")
THINGS = ("sensor", "filter", "pump", "valve", "lamp", "boiler", "fan", "hinge", "battery", "antenna", "printer", "scanner")
PLACES = ("behind the kitchen wall", "in the garden shed", "on the upper deck", "under the front seat")
FORMS = ("how can i", "how could i", "how would i", "how should i")
MODES = [(False, False), (False, True), (True, False), (True, True)]
numbers = itertools.count()


def question(number: int, form: str = "how do i") -> str:
    return f"{form} {VERBS[number % 12]} the {THINGS[number // 12 % 12]} {PLACES[(number + number // 12) % 4]}"


def labelled() -> bytes:
    """What people would have said of such questions: other words for the same, and the same thing in another place."""
    pairs = [Pair(question(number, form), question(number), True) for number in range(144) for form in FORMS[:3]]
    pairs += [
        Pair(question(number, "how can i").replace(place, other), question(number), False) for number in range(60) for place, other in (swap(number),)
    ]
    texts = [text for pair in pairs for text in (pair.a, pair.b)]
    return encode_labels(calibrate(pairs, shipped().embed_many(texts), Semantic()).labels)


def swap(number: int) -> tuple[str, str]:
    at = (number + number // 12) % 4
    return PLACES[at], PLACES[(at + 1) % 4]


@pytest.fixture(scope="module")
def served(upstream: FakeUpstream) -> Iterator[Gateway]:
    """A gateway whose namespaces all start with labels."""
    with Gateway(upstream_config(upstream.base_url, CONFIG.format(url=upstream.base_url)), env=UPSTREAM_ENV) as gateway:
        gateway.stop()
        file = CacheFile(Store(path=str(gateway.store)))
        file.put_calibration("default", "", shipped().id, labelled())
        file.close()
        gateway.start()
        yield gateway


@pytest.fixture(scope="module")
def speakers(served: Gateway) -> Iterator[Clients]:
    with Clients(served.base_url) as made:
        yield made


def ask(clients: Clients, dialect: str, service: str, text: str, *, stream: bool) -> Answer:
    return SPEAKERS[dialect](clients, Question(text, UPSTREAMS[service], stream, system="Same.", temperature=0.0, headers=SAVER))


def same(one: Answer, other: Answer) -> bool:
    return (one.text, one.finish, one.model, one.output_tokens) == (other.text, other.finish, other.model, other.output_tokens)


@pytest.mark.parametrize("modes", MODES, ids=lambda pair: "-".join("stream" if one else "whole" for one in pair))
@pytest.mark.parametrize("service", UPSTREAMS)
@pytest.mark.parametrize("dialect", SPEAKERS)
def test_an_answer_in_another_spelling_is_the_answer(
    served: Gateway, speakers: Clients, dialect: str, service: str, modes: tuple[bool, bool]
) -> None:
    text = f"What is the {'first' if modes[0] else 'second'} rule of {service} in {dialect} {'today' if modes[1] else 'there'}"
    first = ask(speakers, dialect, service, f"{text}?", stream=modes[0])
    second = ask(speakers, dialect, service, f"  {text.lower()} ", stream=modes[1])
    assert same(first, second)
    rows = served.rows()[-2:]
    assert [(row["cache"], row["num_llm_calls"]) for row in rows] == [("miss", 1), ("normalised", 0)]
    assert rows[1]["cost_picousd"] == 0
    assert rows[0]["baseline_cost_picousd"] == rows[1]["baseline_cost_picousd"]


def taught(served: Gateway, speakers: Clients, dialect: str, service: str, text: str, *, stream: bool) -> Answer:
    """Ask, and wait until a fresh answer has been taken in."""
    before = lessons(served)
    answer = ask(speakers, dialect, service, text, stream=stream)
    if served.rows()[-1]["cache"] == "miss":
        poll(lambda: lessons(served) > before, 10, "the lesson of a fresh answer")
    return answer


def lessons(served: Gateway) -> int:
    return served.query("select count(*) as found from semantic_keys")[0]["found"]


@pytest.mark.parametrize("modes", MODES, ids=lambda pair: "-".join("stream" if one else "whole" for one in pair))
@pytest.mark.parametrize("service", UPSTREAMS)
@pytest.mark.parametrize("dialect", SPEAKERS)
def test_an_answer_in_other_words_is_the_answer(served: Gateway, speakers: Clients, dialect: str, service: str, modes: tuple[bool, bool]) -> None:
    number = next(numbers)
    first = taught(served, speakers, dialect, service, question(number), stream=modes[0])
    for form in FORMS:  # one in thirty is drawn for an audit, and asked anew
        second = taught(served, speakers, dialect, service, question(number, form), stream=modes[1])
        if served.rows()[-1]["cache"] == "semantic":
            break
    row = served.rows()[-1]
    assert (row["cache"], row["num_llm_calls"], row["cost_picousd"]) == ("semantic", 0, 0), served.farthing("cache", "stats")
    assert row["cache_entry"] is not None
    assert 0.8 < row["cache_similarity"] <= 1
    assert "asked as: how do i" in row["decisions"] or "asked as: how c" in row["decisions"]
    if "asked as: how do i" in row["decisions"]:
        assert same(first, second)


def test_a_dispute_takes_the_answer_out_of_every_lane(served: Gateway, speakers: Clients) -> None:
    text = "what is the colour of the third door"
    ask(speakers, "chat", "openai", text, stream=False)
    ask(speakers, "chat", "openai", text, stream=False)
    row = served.rows()[-1]
    assert row["cache"] == "exact"
    told = asyncio.run(post(served.port, "/v1/feedback", {"request_id": row["request_id"], "label": "wrong_hit"}))
    assert told.status == 200
    for spelling in (text, f"{text.capitalize()}?"):
        ask(speakers, "chat", "openai", spelling, stream=False)
    assert [row["cache"] for row in served.rows()[-2:]] == ["miss", "normalised"]


def test_commands_reach_a_gateway_that_runs(served: Gateway, speakers: Clients) -> None:
    text = "what is the colour of the fourth door"
    for _ in range(2):
        ask(speakers, "chat", "openai", text, stream=False)
    entry = served.rows()[-1]["cache_entry"]
    poll(lambda: bool(served.query("select 1 from cache_entries where entry_id = ?", entry)), 5, "the answer in the store")
    assert json.loads(served.farthing("cache", "inspect", entry))["user_query_example"] == text
    served.farthing("cache", "invalidate", "entry", entry)

    def gone() -> bool:
        ask(speakers, "chat", "openai", text, stream=False)
        return served.rows()[-1]["cache_entry"] != entry

    assert poll(gone, 5, "the running gateway's memory") < 2


def test_what_a_kill_leaves_is_whole_and_lessons_survive(upstream: FakeUpstream, tmp_path: Path) -> None:
    with Gateway(
        upstream_config(upstream.base_url, CONFIG.format(url=upstream.base_url)), env=UPSTREAM_ENV, workers=2, directory=tmp_path
    ) as gateway:
        gateway.stop()
        file = CacheFile(Store(path=str(gateway.store)))
        file.put_calibration("default", "", shipped().id, labelled())
        gateway.start()

        async def burst() -> None:
            headers = {"x-farthing-endpoint": "saver"}
            bodies = [{"model": "gpt-4o-mini", "temperature": 0, "messages": [{"role": "user", "content": question(number)}]} for number in range(60)]
            tasks = [asyncio.create_task(post(gateway.port, "/v1/chat/completions", body, headers=headers)) for body in bodies]
            while sum(task.done() for task in tasks) < 30:
                await asyncio.sleep(0.01)
            gateway.kill()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run(burst())
        answers, lessons = list(file.answers()), list(file.lessons())
        assert answers
        assert all(answer_of(one) is not None and one.body.endswith(b"}") for one in answers)
        assert all(read(one.lesson) is not None and len(one.vector) == 768 for one in lessons)
        file.close()
        gateway.start()
        with Clients(gateway.base_url) as clients:
            kept = answer_of(answers[0])
            assert kept is not None
            again = SPEAKERS["chat"](clients, Question(kept.origin.question, "gpt-4o-mini", temperature=0.0, headers=SAVER))
            assert again.text.startswith("echo: how do i")
        with sqlite3.connect(gateway.store) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
