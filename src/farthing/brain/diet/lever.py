"""The diet step of the journey: the body of a request with fewer tokens that say the same."""

from typing import Any

import msgspec

from farthing.brain.diet.base import Dieted, Part, Trim
from farthing.brain.diet.repeats import Seen
from farthing.brain.diet.rules import BOILERPLATE
from farthing.brain.diet.text import CountTokens, Table
from farthing.brain.ports import Tokens
from farthing.config import Diet
from farthing.core.account import Effect
from farthing.core.decision import Decision
from farthing.core.prompt import document_spans
from farthing.core.request import Dialect, Inbound
from farthing.wire.slots import Slot, slots

_UNCHANGED = Dieted({})


class DietLever:
    """Applies the exact rules of a configuration. Holds nothing of a request."""

    def __init__(self, config: Diet) -> None:
        self.config = config
        self._table = Table(config.rules, BOILERPLATE if config.boilerplate is None else config.boilerplate)
        self._least_bytes = config.min_tokens * 4

    def apply(self, inbound: Inbound, tokens: Tokens, *, off: bool) -> Dieted:
        """What to change in this body. Pure. Bodies that are too small to gain from it are not read."""
        if off or not self.config.enabled or inbound.dialect is Dialect.EMBEDDINGS or inbound.peek.text_bytes < self._least_bytes:
            return _UNCHANGED
        fields: dict[str, Any] = msgspec.json.decode(inbound.body)
        model = inbound.peek.model
        trims, changed = self._trim(slots(inbound.dialect, fields), lambda text: tokens.count(text, model))
        if not trims:
            return _UNCHANGED
        saved = sum(trim.saved_tokens for trim in trims)
        names = ", ".join(dict.fromkeys(trim.rule for trim in trims))
        return Dieted(
            fields={name: msgspec.json.encode(fields[name]) for name in changed},
            saved_tokens=saved,
            trims=tuple(trims),
            decision=Decision("diet", "trimmed", f"{names}: {saved} tokens that said nothing", saved_tokens=saved),
            effect=Effect("diet", input_tokens=saved),
        )

    def trim_text(self, text: str, part: Part, seen: Seen, count: CountTokens) -> tuple[str, list[Trim]]:
        """One text as that part of a prompt; `seen` is what stood before it."""
        return self._table.trim(text, part, seen, count)

    def _trim(self, found: list[Slot], count: CountTokens) -> tuple[list[Trim], list[str]]:
        trims: list[Trim] = []
        changed: dict[str, None] = {}
        seen = Seen()
        for slot in found:
            if slot.pinned or (slot.said == "user" and "</" not in slot.text):
                seen.read(slot.text)
                continue
            before = slot.text
            text, made = self._within(before, seen, count) if slot.said == "user" else self._table.trim(before, slot.said, seen, count)
            if made:
                slot.text = text
                trims += made
                changed[slot.field] = None
        return trims, list(changed)

    def _within(self, text: str, seen: Seen, count: CountTokens) -> tuple[str, list[Trim]]:
        """Only the documents in a user's turn: the words are the user's own, and stay as a provider's prompt cache knows them."""
        trims: list[Trim] = []
        parts: list[str] = []
        done = 0
        part: Part = "documents"
        for start, end in document_spans(text):
            after, made = self._table.trim(text[start:end], part, seen, count)
            trims += made
            parts += (text[done:start], after)
            done = end
        return "".join(parts) + text[done:] if trims else text, trims
