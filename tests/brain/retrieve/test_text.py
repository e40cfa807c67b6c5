"""Words, sentences, chunks and the two searches."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.brain.reading.sentences import sentence_spans
from farthing.brain.reading.words import stem, terms
from farthing.brain.retrieve.chunks import chunks, estimated_tokens
from farthing.brain.retrieve.dense import Dense, to_bytes
from farthing.brain.retrieve.lexical import Lexical, best, codes, sequence
from farthing.core.document import Section

PROSE = st.text(st.sampled_from("abc XYZ.!? \n12,éß漢"), max_size=300)


@pytest.mark.parametrize(
    ("word", "stemmed"),
    [
        ("caresses", "caress"),
        ("ponies", "poni"),
        ("hopping", "hop"),
        ("relational", "relat"),
        ("happy", "happi"),
        ("controll", "control"),
        ("sky", "sky"),
    ],
)
def test_stems_are_porter_s(word: str, stemmed: str) -> None:
    assert stem(word) == stemmed


def test_terms_leave_out_stop_words_and_accents() -> None:
    assert terms("The cafés of Zürich") == ["cafe", "zurich"]
    assert terms("退货政策") == ["退", "货", "政", "策"]


@given(PROSE)
def test_sentences_leave_out_nothing_but_space(text: str) -> None:
    spans = sentence_spans(text)
    assert all(start < end for start, end in spans)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))
    assert "".join("".join(text[start:end] for start, end in spans).split()) == "".join(text.split())


def test_abbreviations_end_no_sentence() -> None:
    text = "Dr. Smith lives in the U.S. with J. R. Doe. He works at Acme Inc. as an engineer! Really?"
    assert [text[start:end] for start, end in sentence_spans(text)] == [
        "Dr. Smith lives in the U.S. with J. R. Doe.",
        "He works at Acme Inc. as an engineer!",
        "Really?",
    ]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.builds(Section, st.sampled_from(["", "A", "A > B", "C"]), PROSE), max_size=5))
def test_chunks_hold_every_word_and_keep_their_size(sections: list[Section]) -> None:
    found = chunks("title", sections, size_tokens=32, overlap_tokens=8)
    assert [chunk.place for chunk in found] == list(range(len(found)))
    assert all(estimated_tokens(chunk.text) <= 40 for chunk in found)
    said = "".join("".join(chunk.text.split()) for chunk in found)
    assert all(word in said for section in sections for word in section.text.split() if len(word) < 40)


def test_a_change_moves_only_the_chunks_of_its_section() -> None:
    sections = [Section("A", "One sentence here. " * 40), Section("B", "Another one there. " * 40)]
    before = chunks("t", sections, size_tokens=100, overlap_tokens=10)
    after = chunks("t", [Section("A", "Changed first. " + sections[0].text), sections[1]], size_tokens=100, overlap_tokens=10)
    same = {chunk.digest for chunk in before} & {chunk.digest for chunk in after}
    assert {chunk.digest for chunk in before if chunk.heading.endswith("B")} <= same


def test_bm25_prefers_the_rare_word() -> None:
    index = Lexical([sequence([text]) for text in ("the red house", "the red car", "the red lighthouse keeper")])
    wanted = np.unique(np.array(codes("red lighthouse"), np.uint32))
    assert best(index.scores(wanted, index.idf(wanted)), 1).tolist() == [2]


def test_an_empty_lexicon_scores_nothing() -> None:
    index = Lexical([])
    wanted = np.array(codes("anything"), np.uint32)
    assert index.scores(wanted, index.idf(wanted)).tolist() == []


def test_the_short_list_keeps_the_nearest() -> None:
    chance = np.random.default_rng(1)
    vectors = chance.normal(size=(9_000, 128)).astype(np.float32)
    dense = Dense([to_bytes(vector) for vector in vectors], 128)
    for row in (0, 4_000, 8_999):
        rows, cosines = dense.nearest(vectors[row] / np.linalg.norm(vectors[row]), 5)
        assert rows[0] == row
        assert cosines[0] == pytest.approx(1, abs=0.01)
