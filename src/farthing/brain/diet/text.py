"""One text on a diet: the rules in order, each step on record, and never a token more than before."""

import re
from collections.abc import Callable, Sequence

from farthing.brain.diet.base import Part, Rule, RuleName, Trim
from farthing.brain.diet.protect import CODE, WORDS, put_back, take_out
from farthing.brain.diet.repeats import Seen
from farthing.brain.diet.rules import data_rules, prose_rules

CountTokens = Callable[[str], int]


class Table:
    """The rules that are switched on. Built once for a configuration."""

    def __init__(self, names: Sequence[RuleName], phrases: tuple[str, ...]) -> None:
        self._data = tuple(rule for rule in data_rules() if rule.name in names)
        self._prose = tuple(rule for rule in prose_rules(phrases) if rule.name in names)
        self._no_repeats = "duplicates" in names

    def trim(self, text: str, part: Part, seen: Seen, count: CountTokens) -> tuple[str, list[Trim]]:
        """The text after every rule that helps it, and what each did."""
        trims: list[Trim] = []
        for rules, protected in ((self._data, CODE), (self._prose, WORDS)):
            text = self._run(text, part, rules, protected, count, trims)
        if self._no_repeats and part in ("system", "tool", "documents"):
            text = _accept(text, seen.without_repeats(text), "duplicates", part, count, trims)
        else:
            seen.read(text)
        return text, trims

    def _run(self, text: str, part: Part, rules: Sequence[Rule], protected: "re.Pattern[str]", count: CountTokens, trims: list[Trim]) -> str:
        rules = [rule for rule in rules if part in rule.applies_to]
        taken = take_out(text, protected) if rules else None
        if taken is None:
            return text
        bare, kept = taken
        for rule in rules:
            after = rule.apply(bare)
            if after is not bare and after != bare:
                whole = put_back(after, kept)
                if _accept(text, whole, rule.name, part, count, trims) is whole:
                    bare, text = after, whole
        return text


def _accept(before: str, after: str, rule: RuleName, part: Part, count: CountTokens, trims: list[Trim]) -> str:
    """The shorter one of the two, in tokens; a text is never taken away whole."""
    if after == before or not after.strip() or count(after) >= count(before):
        return before
    trims.append(Trim(rule, part, before, after))
    return after
