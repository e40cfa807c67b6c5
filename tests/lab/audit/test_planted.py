"""Waste that was put into a log is found, and its figure is right; a clean log holds none."""

from pathlib import Path
from typing import Any

import pytest

from farthing.lab.audit.playbook import Playbook
from tests.lab.audit.traffic import BIG, CACHED, READ, START, WRITTEN, Words, audited, call, clean, finding, kinds


def test_a_clean_log_holds_no_waste(tmp_path: Path) -> None:
    playbook = audited(tmp_path, clean(400))
    assert kinds(playbook) == set()
    assert (playbook.avoidable_usd, playbook.calls, playbook.priced) == (0, 400, 400)
    assert float(playbook.usd) == pytest.approx(sum(line["response"]["usage"]["prompt_tokens"] * READ for line in clean(400)) + spent_out(clean(400)))


def spent_out(records: list[dict[str, Any]]) -> float:
    return sum(line["response"]["usage"]["completion_tokens"] * WRITTEN for line in records)


def cost(record: dict[str, Any]) -> float:
    usage = record["response"]["usage"]
    return usage["prompt_tokens"] * READ + usage["completion_tokens"] * WRITTEN


def alone(playbook: Playbook, kind: str) -> float:
    return float(finding(playbook, kind).usd)


def test_exact_repeats_cost_what_they_cost(tmp_path: Path) -> None:
    first = clean(100)
    again = [{**record, "timestamp": record["timestamp"] + 7200, "run_id": f"again-{at}"} for at, record in enumerate(first)]
    playbook = audited(tmp_path, [*first, *again])
    assert alone(playbook, "exact_repeats") == pytest.approx(sum(map(cost, first)), rel=1e-6)
    assert kinds(playbook) == {"exact_repeats"}
    one = finding(playbook, "exact_repeats")
    assert (one.calls, one.certainty, one.lever) == (100, "counted", "cache")
    assert one.details[0].startswith("Hit rate of an exact cache: 50.0%")
    assert one.low_usd <= one.usd <= one.high_usd


def test_repeats_that_a_cache_would_not_serve_are_no_waste(tmp_path: Path) -> None:
    first = clean(50)
    stale = [{**record, "timestamp": record["timestamp"] + 40 * 86400} for record in first]
    hot = [call([("user", Words(9).text(6))], "Blue harbour", number=number, temperature=1.0, stream=True) for number in range(50)]
    assert kinds(audited(tmp_path, [*first, *stale, *hot])).isdisjoint({"exact_repeats", "semantic_repeats", "retries"})


def test_copies_in_flight_and_sent_again_at_once(tmp_path: Path) -> None:
    first = clean(60)
    copies = [{**record, "timestamp": record["timestamp"] + (0.2 if at % 2 else 20)} for at, record in enumerate(first[:20])]
    failed = {**call([("user", Words(5).text(8))], None, number=99, tokens_out=0, tokens_in=1000, stream=True), "status_code": 504}
    playbook = audited(tmp_path, sorted([*first, *copies, failed], key=lambda record: record["timestamp"]))
    assert alone(playbook, "retries") == pytest.approx(sum(map(cost, first[:20])) + 1000 * READ, rel=1e-6)
    assert finding(playbook, "retries").details == ("10 copies in flight, 10 sent again at once, 1 failed and paid.",)
    assert kinds(playbook) == {"retries"}


def test_a_chunk_that_is_sent_twice(tmp_path: Path) -> None:
    words, records, twice = Words(), [], 0
    for number in range(40):
        chunks = [words.text(6) for _ in range(3)]
        sent = [*chunks, chunks[0]]
        twice += len(chunks[0])
        context = "\n\n".join(f"[{at}] {text}" for at, text in enumerate(sent, start=1))
        answer = f"{chunks[0]} {chunks[1]} {chunks[2]}"
        records.append(
            call([("user", f"Context:\n{context}\n\nQuestion: which colour has {words.sentence(5)}?")], answer, number=number, stream=True)
        )
    playbook = audited(tmp_path, records)
    assert alone(playbook, "repeated_context") == pytest.approx(twice / 4 * READ, rel=0.05)
    assert kinds(playbook) == {"repeated_context"}


def test_documents_that_the_answer_does_not_draw_on(tmp_path: Path) -> None:
    subjects = [
        "volcano magma eruption crater ashfall basalt lavaflow seismic caldera pumice",
        "orchestra conductor symphony cellist rehearsal soprano overture timpani bassoon encore",
        "harvest barley tractor irrigation orchard fertilizer granary ploughing seedling pasture",
        "submarine periscope torpedo ballast sonar hatch captain trench pressure hull",
    ]
    records, unused = [], 0
    for number in range(40):
        passages = [f"{text} {text} volume{number} chapter{number * 7 + at}." for at, text in enumerate(subjects)]
        unused += sum(len(text) + 6 for text in passages[1:])
        context = "\n\n".join(f"[{at}] {text}" for at, text in enumerate(passages, start=1))
        asked = f"Context:\n{context}\n\nQuestion: what happens before number {number}?"
        records.append(call([("user", asked)], f"{subjects[0]} according to volume{number}.", number=number, stream=True))
    playbook = audited(tmp_path, records)
    assert alone(playbook, "unused_documents") == pytest.approx(unused / 4 * READ, rel=0.05)
    assert finding(playbook, "unused_documents").lever == "retrieve"


def test_history_that_nobody_takes_up(tmp_path: Path) -> None:
    records, unreferred = [], 0
    for number in range(40):
        old = "Tell me about volcanoes: magma, eruption, crater, ashfall and what basalt is made of, in detail please. " + "Really " * (number % 3)
        told = "Basalt forms when magma meets seawater near the crater, and ashfall covers the caldera after each eruption for years."
        unreferred += len(old) + len(told)
        turns = [
            ("user", old),
            ("assistant", told),
            ("user", f"Thanks. Which orchestra plays on evening {number}?"),
            ("assistant", "The philharmonic."),
        ]
        answer = f"The philharmonic orchestra plays a symphony with a cellist and a soprano on evening {number}."
        records.append(call([*turns, ("user", f"Who conducts the philharmonic orchestra then, on {number}?")], answer, number=number, stream=True))
    playbook = audited(tmp_path, records)
    assert alone(playbook, "unreferred_history") == pytest.approx(unreferred / 4 * READ, rel=0.05)
    assert kinds(playbook) == {"unreferred_history"}


def test_answers_beyond_twice_the_median(tmp_path: Path) -> None:
    records = clean(200)
    for at, record in enumerate(records):
        record["response"]["usage"]["completion_tokens"] = 450 if at % 10 == 0 else 100
    playbook = audited(tmp_path, records)
    one = finding(playbook, "long_answers")
    assert float(one.usd) == pytest.approx(20 * 250 * WRITTEN, rel=1e-6)
    assert float(one.low_usd) <= 20 * 150 * WRITTEN
    assert float(one.high_usd) >= 20 * 300 * WRITTEN
    assert "max_output_tokens = " in playbook.config


def test_a_missing_limit_costs_what_ran_beyond_it(tmp_path: Path) -> None:
    records = clean(300)
    for record in records:
        record["request"].pop("max_tokens")
        record["response"]["usage"]["completion_tokens"] = 100
    records[7]["response"]["usage"]["completion_tokens"] = 5000
    playbook = audited(tmp_path, records)
    assert alone(playbook, "no_output_limit") == pytest.approx((5000 - 128) * WRITTEN, rel=1e-6)
    assert finding(playbook, "no_output_limit").details == ("300 of 300 calls set no output limit.",)


def prefixed(count: int, *, changing_first: bool) -> list[dict[str, Any]]:
    rules = Words(3).text(80)
    records = []
    for number in range(count):
        now = f"Now it is second {number} of the day."
        system = f"{now}\n{rules}" if changing_first else f"{rules}\n{now}"
        record = call([("system", system), ("user", Words(100 + number).text(2))], Words(500 + number).text(6), number=number, stream=True, cached=0)
        records.append({**record, "timestamp": START + number})
    return records


def test_a_prefix_that_defeats_the_cache(tmp_path: Path) -> None:
    records = prefixed(60, changing_first=True)
    shared = len(Words(3).text(80)) / 4
    playbook = audited(tmp_path, records)
    assert shared > 1024
    assert alone(playbook, "cache_prefix") == pytest.approx(59 * shared * (READ - CACHED), rel=0.05)
    assert "60 calls" in finding(playbook, "cache_prefix").details[0] or "59 calls" in finding(playbook, "cache_prefix").details[0]


def test_a_prefix_that_was_read_from_the_cache_is_no_waste(tmp_path: Path) -> None:
    records = prefixed(60, changing_first=False)
    for record in records:
        record["response"]["usage"]["prompt_tokens_details"]["cached_tokens"] = int(len(Words(3).text(80)) / 4) - 40
    assert "cache_prefix" not in kinds(audited(tmp_path, records))


def test_examples_beyond_two(tmp_path: Path) -> None:
    examples = "\n".join(f"Example {at}: {Words(at).text(2)}" for at in range(1, 7))
    records = [
        call([("system", f"Rewrite the text.\n{examples}"), ("user", Words(50 + at).text(5))], Words(900 + at).text(6), number=at, stream=True)
        for at in range(50)
    ]
    playbook = audited(tmp_path, records)
    assert alone(playbook, "few_shot") == pytest.approx(50 * len(examples) / 4 * READ * 4 / 6, rel=0.06)


def test_made_up_turns_at_the_head_of_every_call(tmp_path: Path) -> None:
    shots = [(role, Words(at).text(2)) for at in range(4) for role in ("user", "assistant")]
    records = [call([*shots, ("user", Words(50 + at).text(5))], Words(900 + at).text(6), number=at, stream=True) for at in range(50)]
    playbook = audited(tmp_path, records)
    assert alone(playbook, "few_shot") == pytest.approx(50 * sum(len(text) for _, text in shots) / 4 * READ / 2, rel=0.05)


def test_boilerplate_and_length_of_system_prompts(tmp_path: Path) -> None:
    twice = "Never mention the names of other customers to anyone"
    filler = f"You are a helpful assistant. {twice}. {twice}. "
    long = Words(2).text(90)
    records = [
        call([("system", filler + long), ("user", Words(50 + at).text(4))], Words(900 + at).text(6), number=at, stream=True) for at in range(50)
    ]
    playbook = audited(tmp_path, records)
    said_nothing = len("You are a helpful assistant") + len(twice)
    assert alone(playbook, "boilerplate") == pytest.approx(50 * said_nothing / 4 * READ, rel=0.05)
    tokens = len(filler + long) / 4
    assert alone(playbook, "long_system") == pytest.approx(50 * (tokens - 1000) / 2 * READ, rel=0.02)


def test_the_same_input_under_two_system_prompts(tmp_path: Path) -> None:
    records, twice = [], 0
    for number in range(40):
        text = Words(number).text(12)
        twice += len(text)
        for part, system in enumerate(("Name the people in it.", "Name the places in it.")):
            record = call([("system", system), ("user", text)], Words(500 + number + 99 * part).text(4), number=number, stream=True)
            records.append({**record, "timestamp": record["timestamp"] + 30 * part})
    playbook = audited(tmp_path, records)
    assert alone(playbook, "same_input") == pytest.approx(twice / 4 * READ, rel=0.02)
    assert kinds(playbook) == {"same_input"}


def agents(count: int, tools: list[str]) -> list[dict[str, Any]]:
    records = []
    for number in range(count):
        asked = [("user", Words(number).text(4))]
        plan = call(asked, None, number=number, calls=tools[number % len(tools)], tokens_out=20, stream=True)
        answer = call(
            [*asked, ("assistant", "Looking"), ("tool", Words(300 + number).text(4))], Words(800 + number).text(5), number=number, stream=True
        )
        records += [plan, {**answer, "timestamp": answer["timestamp"] + 2}]
    return records


def test_a_plan_that_is_always_the_same(tmp_path: Path) -> None:
    records = agents(40, ["search"])
    playbook = audited(tmp_path, records)
    assert alone(playbook, "fixed_plan") == pytest.approx(sum(map(cost, records[::2])), rel=1e-6)
    assert finding(playbook, "fixed_plan").details == ("faq: 40 of 40 runs go search -> answer",)


def test_plans_that_differ_are_no_waste(tmp_path: Path) -> None:
    assert "fixed_plan" not in kinds(audited(tmp_path, agents(40, ["search", "book", "pay"])))


_FEELINGS = {
    "positive": "I love this wonderful {} and everything about it is great",
    "negative": "This terrible {} broke and I hate how awful it is",
    "neutral": "The {} arrived on a weekday in its ordinary box as described",
}


def labelled(count: int, *, predictable: bool) -> list[dict[str, Any]]:
    words, names = Words(), list(_FEELINGS)
    records = []
    for number in range(count):
        name = names[number % 3]
        text = _FEELINGS[name].format(words.sentence(3)) if predictable else words.text(3)
        records.append(call([("system", "Which feeling?"), ("user", text)], name, number=number, tokens_out=2, stream=True, max_tokens=5))
    return records


def test_labels_that_a_classifier_would_give(tmp_path: Path) -> None:
    records = labelled(240, predictable=True)
    playbook = audited(tmp_path, records)
    assert alone(playbook, "few_labels") == pytest.approx(sum(map(cost, records)), rel=0.06)
    assert "3 labels" in finding(playbook, "few_labels").details[0]


def test_labels_that_only_a_model_can_tell_are_no_waste(tmp_path: Path) -> None:
    assert "few_labels" not in kinds(audited(tmp_path, labelled(240, predictable=False)))


def test_a_user_faster_than_any_person_could_be_batch(tmp_path: Path) -> None:
    records = clean(120)
    for at, record in enumerate(records):
        record["request"].pop("stream")
        if at < 60:
            record |= {"timestamp": START + at * 0.9, "user_id": "job-1"}
    playbook = audited(tmp_path, records)
    assert alone(playbook, "batchable") == pytest.approx(sum(map(cost, records[:60])) / 2, rel=1e-6)
    assert kinds(playbook) == {"batchable"}


def test_easy_calls_on_a_dear_model(tmp_path: Path) -> None:
    easy = [
        call([("user", f"Translate to German: the {word} is green")], f"Der {word} ist grün", number=at, stream=True, tokens_in=100, tokens_out=10)
        for at, word in enumerate(Words().text(60).split())
    ]
    small = [
        {**record, "request": {**record["request"], "model": "gpt-4o-mini"}, "response": {**record["response"], "model": "gpt-4o-mini"}}
        for record in easy
    ]
    playbook = audited(tmp_path, easy)
    one = finding(playbook, "easy_on_dear")
    assert float(one.usd) == pytest.approx(sum(map(cost, easy)) * 0.9, rel=1e-6)
    assert (one.certainty, one.lever) == ("assumed", "route")
    assert one.details[0].endswith(f"calls: {BIG} to gpt-4o-mini")
    assert "easy_on_dear" not in kinds(audited(tmp_path, small))


def test_questions_in_other_words(tmp_path: Path) -> None:
    records: list[dict[str, Any]] = []
    for number in range(150):
        asked, answer = f"How do I return {Words(number).sentence(14)}", Words(5000 + number).text(5)
        records.append(call([("user", f"{asked}?")], answer, number=len(records), stream=True))
        if number % 3 == 0:
            records.append(call([("user", f"{asked} ?!")], answer, number=len(records), stream=True))
    playbook = audited(tmp_path, records)
    one = finding(playbook, "semantic_repeats")
    assert float(one.usd) == pytest.approx(sum(map(cost, records)) * 0.25, rel=0.06)
    assert float(one.low_usd) < float(one.usd) < float(one.high_usd)
    assert any(line.startswith("similarity 0.90: hit rate 25") for line in one.details)


def test_like_questions_with_other_answers_are_no_hits(tmp_path: Path) -> None:
    records = [
        call([("user", f"What was the revenue of our office in the year {1800 + at}, in dollars?")], Words(at).text(5), number=at, stream=True)
        for at in range(150)
    ]
    assert "semantic_repeats" not in kinds(audited(tmp_path, records))
