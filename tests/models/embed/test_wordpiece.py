"""Token ids against the reference implementation's own (`tokenizers` 0.23 with the model's tokenizer.json)."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.core.errors import ConfigError
from farthing.models.embed.wordpiece import WordPiece

VOCABULARY = Path(__file__).parents[3] / "src" / "farthing" / "data" / "minilm" / "vocab.txt"
PIECES = WordPiece.load(VOCABULARY)
LONG = 1000


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("How do I reset my password?", [101, 2129, 2079, 1045, 25141, 2026, 20786, 1029, 102]),
        ("naïve café — ½ price, İstanbul", [101, 15743, 7668, 1517, 1092, 3976, 1010, 9960, 102]),
        ("東京 tower", [101, 1879, 1755, 3578, 102]),
        (
            "what's the flight from SAN FRANCISCO to Boston on 5/6/2024?",
            [101, 2054, 1005, 1055, 1996, 3462, 2013, 2624, 3799, 2000, 3731, 2006, 1019, 1013, 1020, 1013, 16798, 2549, 1029, 102],
        ),
        ("a\x07b\u200bc", [101, 5925, 102]),
        ("antidisestablishmentarianism " + "x" * 101, [101, 3424, 10521, 4355, 7875, 13602, 3672, 12199, 2964, 100, 102]),
        ("", [101, 102]),
    ],
)
def test_ids_are_the_reference_s(text: str, ids: list[int]) -> None:
    assert PIECES.ids(text, LONG) == ids


@given(st.text(max_size=300), st.integers(2, 40))
def test_ids_are_bounded_and_framed(text: str, most: int) -> None:
    found = PIECES.ids(text, most)
    assert len(found) <= most
    assert (found[0], found[-1]) == (101, 102)


def test_a_file_that_is_no_vocabulary_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"vocab\.txt"):
        WordPiece.load(tmp_path / "absent.txt")
    (tmp_path / "words.txt").write_text("one\ntwo\n")
    with pytest.raises(ConfigError, match=r"\[CLS\]"):
        WordPiece.load(tmp_path / "words.txt")
