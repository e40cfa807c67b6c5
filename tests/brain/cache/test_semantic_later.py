"""What the judge is asked about later: a young namespace spends no labels on unlikely pairs, and copies become one."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from tests.brain.cache.test_semantic_lane import CONSTANT, NOW, agree, ask, entry, lane, teach

from farthing.brain.cache.semantic import namespace
from farthing.brain.cache.semantic.entries import Entry, Kept
from farthing.brain.cache.semantic.lane import SemanticLane
from farthing.brain.cache.semantic.later import Later, Unasked
from farthing.brain.cards import cards
from farthing.brain.lessons import LessonSync
from farthing.brain.meaning import Meaning
from farthing.config import Store
from farthing.core.clock import FrozenClock
from farthing.core.forgetting import Drop
from farthing.stores.sqlite import Book, SemanticStore
from farthing.stores.sqlite.cachefile import CacheFile

ASKED = (("how do i get a refund", CONSTANT), ("when does the shop open", -CONSTANT))


class Judge:
    """Says the same of every pair, and what happens meanwhile happens."""

    def __init__(self, verdict: bool | None, meanwhile: Drop | None = None, subject: SemanticLane | None = None) -> None:
        self.verdict, self.meanwhile, self.subject = verdict, meanwhile, subject
        self.calls = 0

    async def __call__(self, _fresh: Entry, _kept: Entry) -> bool | None:
        self.calls += 1
        if self.meanwhile is not None and self.subject is not None:
            self.subject.drop(self.meanwhile)
        return self.verdict


def answer(number: int) -> Entry:
    return entry(number, question=ASKED[number][0], text=f"answer {number}", sources=(f"doc{number}@1",))


async def keep_both(subject: SemanticLane, judge: Judge) -> list[Kept]:
    found: list[Kept] = []
    for number, (question, vector) in enumerate(ASKED):
        kept = await subject.keep(subject.decide(b"s", question, vector, "anna", NOW), answer(number), judge)
        assert kept is not None
        found.append(kept)
    return found


def grown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every namespace is past its first labels from now on."""
    monkeypatch.setattr(namespace, "FIRST_LABELS", 0)


def leads_to(subject: SemanticLane) -> list[int | None]:
    """The groups that the two questions are nearest to."""
    looks = [subject.decide(b"s", question, vector, "anna", NOW).look for question, vector in ASKED]
    return [look.candidate.group if look.candidate else None for look in looks]


def row(subject: SemanticLane) -> dict[str, object]:
    (found,) = subject.stats()["namespaces"]  # type: ignore[misc]
    return found  # type: ignore[no-any-return]


def test_the_likeliest_is_asked_about_first_and_once() -> None:
    later = Later()
    for group, score in ((1, 0.5), (2, 2.0), (3, -1.0), (4, 1.0)):
        later.put(Unasked(group, score, (9,)))
    later.forget(4)
    later.forget(77)
    assert len(later) == 3
    taken = [later.take() for _ in range(4)]
    assert [None if one is None else one.group for one in taken] == [2, 1, 3, None]


def test_a_young_namespace_spends_no_label_on_an_unlikely_pair() -> None:
    subject, judge = lane(), Judge(True)
    lessons = asyncio.run(keep_both(subject, judge))
    assert (judge.calls, row(subject)["labels"], row(subject)["unasked"], row(subject)["answers"]) == (0, 0, 1, 2)
    assert (lessons[1].verdicts, lessons[1].unasked) == ((), ("ans_0",))
    assert asyncio.run(subject.ask_later(b"s", judge)) == []


def test_likely_pairs_are_asked_about_from_the_first_on_and_everything_once_answers_are_served() -> None:
    subject = lane()
    asyncio.run(teach(subject, times=20))
    assert row(subject)["labels"] == 19
    asyncio.run(teach(subject, times=600))
    assert ask(subject, "How can I get a refund?").serves is not None
    judge, (question, vector) = Judge(False), ASKED[1]
    asyncio.run(subject.keep(subject.decide(b"s", question, vector, "anna", NOW), answer(1), judge))
    assert judge.calls > 0


def test_copies_become_one(monkeypatch: pytest.MonkeyPatch) -> None:
    subject, judge = lane(), Judge(True)
    asyncio.run(keep_both(subject, judge))
    first, second = leads_to(subject)
    assert first != second
    grown(monkeypatch)
    gone: list[tuple[str, ...]] = []
    subject.evicted = lambda names: not gone.append(names)
    ((kept, about, vector),) = asyncio.run(subject.ask_later(b"s", judge))
    assert (kept.entry_id, kept.later_of, about.entry_id, gone) == ("ans_0", "ans_1", "ans_0", [("ans_1",)])
    assert vector is ASKED[1][1]
    assert leads_to(subject) == [first, first]
    assert (subject.keys, row(subject)["keys"], row(subject)["answers"], row(subject)["labels"]) == (2, 2, 1, 1)
    assert subject.group_of("ans_1") == first
    assert asyncio.run(subject.ask_later(b"s", judge)) == []
    subject.drop(Drop("document", "doc1"))
    assert subject.keys == 2, "the answer that stayed does not rest on it"
    subject.drop(Drop("document", "doc0"))
    assert (subject.keys, subject.size_bytes, subject.group_of("ans_1")) == (0, 0, None)


def test_a_dispute_of_either_takes_the_one_that_they_became(monkeypatch: pytest.MonkeyPatch) -> None:
    subject, judge = lane(), Judge(True)
    asyncio.run(keep_both(subject, judge))
    grown(monkeypatch)
    asyncio.run(subject.ask_later(b"s", judge))
    assert subject.dispute("ans_1")
    assert (subject.keys, subject.size_bytes) == (0, 0)


def test_others_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    subject, judge = lane(), Judge(False)
    asyncio.run(keep_both(subject, judge))
    before = leads_to(subject)
    grown(monkeypatch)
    ((kept, about, vector),) = asyncio.run(subject.ask_later(b"s", judge))
    assert (kept.entry_id, kept.later_of, about.entry_id, vector) == ("ans_1", "ans_1", "ans_1", None)
    assert leads_to(subject) == before
    assert (row(subject)["labels"], row(subject)["unasked"]) == (1, 0)


def test_a_judge_that_cannot_say_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = lane()
    asyncio.run(keep_both(subject, Judge(True)))
    grown(monkeypatch)
    assert asyncio.run(subject.ask_later(b"s", Judge(None))) == []
    assert (row(subject)["labels"], row(subject)["unasked"]) == (0, 1)
    assert len(asyncio.run(subject.ask_later(b"s", Judge(True)))) == 1


@pytest.mark.parametrize("gone", [Drop("document", "doc0"), Drop("document", "doc1"), Drop("all")])
def test_what_is_dropped_while_the_judge_thinks_stays_dropped(monkeypatch: pytest.MonkeyPatch, gone: Drop) -> None:
    subject = lane()
    asyncio.run(keep_both(subject, Judge(True)))
    grown(monkeypatch)
    asyncio.run(subject.ask_later(b"s", Judge(True, gone, subject)))
    left = [subject.group_of(name) is not None for name in ("ans_0", "ans_1")]
    assert left == [gone.value != "doc0" and gone.kind != "all", gone.value != "doc1" and gone.kind != "all"]
    assert subject.keys == sum(left)


def test_what_was_put_off_and_what_came_of_it_outlive_the_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        clock = FrozenClock(NOW)
        book = await Book.open(Store(path=str(tmp_path / "book.db")), worker="0", clock=clock)

        def worker() -> tuple[SemanticLane, LessonSync]:
            meaning = Meaning(lane(), clock)
            return meaning.lane, LessonSync(SemanticStore(book), meaning)

        async def written(sync: LessonSync, kept: Kept, about: Entry, vector: "np.ndarray") -> None:
            while not sync.keep(kept, about, vector.astype(np.float16).tobytes()):
                await asyncio.sleep(0)
            await book.run(lambda connection: connection.execute("SELECT 1").rowcount)  # all that waited is written

        (first, sync), (beside, heard) = worker(), worker()
        heard.load()
        for number, kept in enumerate(await keep_both(first, Judge(True))):
            await written(sync, kept, answer(number), ASKED[number][1])
        heard.catch_up()
        assert (beside.keys, row(beside)["unasked"]) == (2, 0), "its own worker asks"
        again, restarted = worker()
        restarted.load()
        assert (again.keys, row(again)["unasked"]) == (2, 1)
        grown(monkeypatch)
        ((kept, about, vector),) = await again.ask_later(b"s", agree)
        assert vector is not None
        await written(restarted, kept, about, vector)
        heard.catch_up()
        late, last = worker()
        last.load()
        assert last.set_aside == 0
        for one in (again, beside, late):
            assert len(set(leads_to(one))) == 1
            assert (one.keys, row(one)["answers"], row(one)["unasked"]) == (2, 1, 0)
        await book.close()
        file = CacheFile(Store(path=str(tmp_path / "book.db")), clock=clock)
        (card,) = cards((), file.lessons(), {})
        file.close()
        assert (card.entry_id, card.keys) == ("ans_0", (ASKED[0][0], ASKED[1][0]))

    asyncio.run(scenario())
