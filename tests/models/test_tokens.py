"""Token counts against tiktoken's own (tests/models/token_counts.jsonl, written by bench/tiktoken_judge.py)."""

import random
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.models.tokens import EXACT_BYTES, KNOWN_PIECES, TokenCounter
from farthing.models.vocabulary import Vocabulary, pack

GOLDEN = [msgspec.json.decode(line) for line in (Path(__file__).parent / "token_counts.jsonl").read_bytes().splitlines()]


@pytest.fixture(scope="module")
def counter() -> TokenCounter:
    return TokenCounter()


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4"])
def test_counts_are_tiktokens(counter: TokenCounter, model: str) -> None:
    assert len(GOLDEN) > 300
    wrong = [(row["text"], row[model], got) for row in GOLDEN if (got := counter.count(row["text"], model)) != row[model]]
    assert wrong == []


@pytest.mark.parametrize(
    ("model", "like"),
    [
        ("gpt-4o-mini-2024-07-18", "gpt-4o"),
        ("gpt-4.1", "gpt-4o"),
        ("gpt-5-nano", "gpt-4o"),
        ("o3-mini", "gpt-4o"),
        ("openai/gpt-oss-120b", "gpt-4o"),
        ("ft:gpt-4o-mini:acme", "gpt-4o"),
        ("gpt-4-1106-preview", "gpt-4"),
        ("gpt-3.5-turbo", "gpt-4"),
        ("text-embedding-3-small", "gpt-4"),
        ("meta-llama/Llama-3.1-8B-Instruct", "gpt-4"),
        ("some-model-of-your-own", "gpt-4o"),
    ],
)
def test_vocabulary_of_a_model(counter: TokenCounter, model: str, like: str) -> None:
    text = "日本語の文章を数えるのは簡単ではありません。"  # the two vocabularies differ on it
    assert counter.count(text, "gpt-4o") != counter.count(text, "gpt-4")
    assert counter.count(text, model) == counter.count(text, like)


def test_claude_writes_more_tokens_than_o200k(counter: TokenCounter) -> None:
    text = "word " * 100
    assert counter.count(text, "claude-3-haiku-20240307") == round(counter.count(text, "gpt-4o") * 1.15)


@given(st.text(max_size=200))
def test_pieces_are_the_text(text: str) -> None:
    pieces = list(TokenCounter().pieces(text, "gpt-4o"))
    assert "".join(piece for piece, _ in pieces) == text
    assert all(tokens >= 1 for _, tokens in pieces)


def test_lone_surrogates_count() -> None:
    assert TokenCounter().count("a\ud800b", "gpt-4o") > 0


def test_long_texts_are_sampled_and_near() -> None:
    draw = random.Random(3)
    words = ["alpha", "beta", "gamma(x)", "12345", "straße", "\n", "naïve", "== !="]
    text = " ".join(draw.choices(words, k=20_000))
    exact = TokenCounter(exact_bytes=10**9).count(text, "gpt-4o")
    assert len(text) > EXACT_BYTES
    assert TokenCounter().count(text, "gpt-4o") == pytest.approx(exact, rel=0.05)


def test_memory_of_pieces_is_bounded() -> None:
    counter = TokenCounter(exact_bytes=10**9)
    counter.count(" ".join(f"w{number:x}q" for number in range(KNOWN_PIECES * 3)), "gpt-4o")
    assert len(counter._splitters["o200k_base"]._tokens) <= KNOWN_PIECES


@pytest.mark.parametrize(("size", "tokens"), [(0, 0), (1, 1), (4, 1), (5, 2), (4000, 1000)])
def test_estimate(counter: TokenCounter, size: int, tokens: int) -> None:
    assert counter.estimate(size) == tokens


def test_merging_takes_the_lowest_rank_then_the_leftmost(tmp_path: Path) -> None:
    path = tmp_path / "toy.ranks"
    path.write_bytes(pack({b"a": 0, b"b": 1, b"bc": 2, b"ab": 3, b"aa": 4, b"aab": 5}))
    toy = Vocabulary(path)
    assert toy.rank(b"aab") == 5
    assert toy.rank(b"abc") is None
    assert [toy.count(piece) for piece in (b"", b"z", b"abc", b"aaa", b"aaaa", b"aab", b"xyz")] == [0, 1, 2, 2, 2, 1, 3]
