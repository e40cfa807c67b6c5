"""One text on a diet: the rules in order, each step on record, and never a token more than before."""

from collections.abc import Callable, Sequence

from farthing.brain.diet.base import Part, Rule, RuleName, Trim
from farthing.brain.diet.protect import CODE, WORDS, Protected, put_back, take_out
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
        plate = _Plate(text, part, count)
        self._run(plate, self._data, CODE)
        self._run(plate, self._prose, WORDS)
        if self._no_repeats and part in ("system", "tool", "documents"):
            plate.offer("duplicates", seen.without_repeats(plate.text))
        else:
            seen.read(plate.text)
        return plate.text, plate.trims

    def _run(self, plate: "_Plate", rules: Sequence[Rule], protected: Protected) -> None:
        acting = [rule for rule in rules if plate.part in rule.applies_to]
        taken = take_out(plate.text, protected) if acting else None
        if taken is None:
            return
        bare, kept = taken
        for rule in acting:
            after = rule.apply(bare)
            if after != bare and plate.offer(rule.name, put_back(after, kept)):
                bare = after


class _Plate:
    """A text while the rules work on it; its tokens are counted once for every state."""

    def __init__(self, text: str, part: Part, count: CountTokens) -> None:
        self.text = text
        self.part: Part = part
        self.trims: list[Trim] = []
        self._count = count
        self._tokens: int | None = None

    def offer(self, rule: RuleName, after: str) -> bool:
        """Take the text that a rule made if it has fewer tokens; a text is never taken away whole."""
        if after == self.text or not after.strip():
            return False
        if self._tokens is None:
            self._tokens = self._count(self.text)
        tokens = self._count(after)
        if tokens >= self._tokens:
            return False
        self.trims.append(Trim(rule, self.part, self.text, after, self._tokens - tokens))
        self.text, self._tokens = after, tokens
        return True
