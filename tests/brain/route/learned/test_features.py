"""Surface features: every part of a prompt is read, and rows are as long as their names."""

from farthing.brain.route.learned import features
from farthing.core.request import Turn
from tests.brain.requests import make_signals


def test_a_row_has_a_value_for_every_name() -> None:
    assert len(features.features((Turn("user", "Why?"),), make_signals())) == len(features.NAMES)
    assert len(features.features((), make_signals(language=None))) == len(features.NAMES)


def test_system_and_history_are_read_too() -> None:
    last = Turn("user", "And for Spain?")
    alone = features.features((last,), make_signals())
    more = features.features(
        (Turn("system", "Answer in rhyme."), Turn("user", "Capital of France?"), Turn("assistant", "Paris"), last), make_signals()
    )
    changed = {name for name, one, other in zip(features.NAMES, alone, more, strict=True) if one != other}
    assert changed == {"turns", "log_system", "log_history"}
    text = features.prompt_text((Turn("system", "Answer in rhyme."), Turn("user", "Capital of France?"), last))
    assert text == "And for Spain?\nCapital of France?\nAnswer in rhyme."


def test_a_long_prompt_is_cut_at_its_oldest_part() -> None:
    text = features.prompt_text((Turn("user", "x" * 5000), Turn("user", "the question")))
    assert text.startswith("the question\nxxx")
    assert len(text) < 1700
