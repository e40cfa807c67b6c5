"""An index that passages came to and went from is the one that would be made of those that are left."""

from collections.abc import Sequence
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.brain.retrieve import dense
from farthing.brain.retrieve.base import Passage
from farthing.brain.retrieve.dense import to_bytes
from farthing.brain.retrieve.index import Index
from farthing.brain.retrieve.lexical import sequence
from tests.brain.retrieve.rig import WIDTH, Shelf, passage, vector

WORDS = ("goods", "return", "thirty", "days", "parcel", "refund", "office", "holiday", "request", "lead", "damage", "photo")
text = st.lists(st.sampled_from(WORDS), min_size=3, max_size=9).map(lambda some: " ".join(some) + ".")
QUESTIONS = ("goods return days", "holiday request", "office parcel damage photo")


def add(index: Index, passages: Sequence[Passage]) -> None:
    sequences = [sequence([one.heading, *(one.text[start:end] for start, end in one.spans)]) for one in passages]
    index.add([one.id for one in passages], sequences, [to_bytes(vector(one.text)) for one in passages])


def seen(index: Index, question: str) -> list[tuple[int, float, float]]:
    found = index.candidates(index.question(question, vector(question)))
    return [
        (int(index.ids[row]), round(float(word), 4), round(float(cosine), 4))
        for row, word, cosine in zip(found.rows, found.words, found.cosines, strict=True)
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.lists(text, max_size=6), st.lists(st.integers(0, 30), max_size=6)), min_size=1, max_size=6))
def test_coming_and_going_leaves_what_an_index_made_anew_would_hold(steps: list[tuple[list[str], list[int]]]) -> None:
    shelf = Shelf([])
    living, numbers = Index(shelf, WIDTH), count(1)
    for texts, gone in steps:
        fresh = [passage(next(numbers), one) for one in texts]
        shelf.held |= {one.id: one for one in fresh}
        add(living, fresh)
        some = [sorted(shelf.held)[place] for place in gone if place < len(shelf.held)]
        for number in some:
            shelf.held.pop(number, None)
        living.drop(some)
    anew = Index(shelf, WIDTH)
    add(anew, [shelf.held[number] for number in sorted(shelf.held)])
    assert living.size == anew.size == len(shelf.held)
    for question in QUESTIONS:
        assert seen(living, question) == seen(anew, question)


def test_what_repeated_a_passage_that_has_gone_is_given_again() -> None:
    twice = [passage(1, "Goods may be returned within thirty days."), passage(2, "Goods may be returned within thirty days.")]
    shelf = Shelf(twice)
    index = Index(shelf, WIDTH)
    add(index, twice)
    assert [number for number, *_ in seen(index, "goods returned")] == [1]
    index.drop([1])
    assert [number for number, *_ in seen(index, "goods returned")] == [2]


def test_rows_that_are_gone_are_given_up_before_they_are_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farthing.brain.retrieve.index._FEWEST_GONE", 4)
    passages = [passage(number, f"{WORDS[number % 12]} number {number}.") for number in range(1, 21)]
    index = Index(Shelf(passages), WIDTH)
    add(index, passages)
    index.drop(range(1, 11))
    assert index.ids.tolist() == list(range(11, 21))
    assert {number for number, *_ in seen(index, "goods return parcel")} <= set(range(11, 21))


def test_many_vectors_are_searched_by_their_signs_first_and_those_that_are_gone_never_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense, "_ALL", 50)
    monkeypatch.setattr(dense, "_SHORT_LIST", 20)
    chance = np.random.default_rng(3)
    rows = chance.normal(size=(200, WIDTH)).astype(np.float32)
    held = dense.Dense([to_bytes(row) for row in rows[:120]], WIDTH)
    held.add([to_bytes(row) for row in rows[120:]])
    hidden = np.zeros(200, np.bool_)
    for number in (3, 150):
        assert held.nearest(rows[number], 1)[0].tolist() == [number]
        hidden[number] = True
        assert number not in held.nearest(rows[number], 200, hidden)[0]
