"""The lossy step of the journey: which texts of a request its rules read, and what becomes of them. Pure."""

from collections.abc import Callable
from typing import Any

import msgspec

from farthing.brain.diet.base import Trim
from farthing.brain.diet.lossy.extract import extract
from farthing.brain.diet.lossy.results import mentioned, pruned
from farthing.brain.diet.lossy.trimming import dropped
from farthing.brain.diet.lossy.turns import gap_note, history, put_note, tool_calls
from farthing.config.tokens import Lossy
from farthing.core.prompt import document_spans
from farthing.core.request import Dialect
from farthing.wire.slots import Slot, slots

Count = Callable[[str], int]

_PROSE_CHARS = 400  # a tool result that is shorter, or data, is not read sentence by sentence


class CutBody(msgspec.Struct, frozen=True):
    """What to change in a body, and what went: `left_out` are the texts of the turns that are gone, oldest first; `note` says so in their place."""

    fields: dict[str, bytes]
    trims: tuple[Trim, ...] = ()
    left_out: tuple[str, ...] = ()
    note: str = ""

    @property
    def saved_tokens(self) -> int:
        return sum(trim.saved_tokens for trim in self.trims)


class LossyLever:
    """The rules of one endpoint. Holds nothing of a request."""

    def __init__(self, config: Lossy) -> None:
        self.config = config

    def apply(self, dialect: Dialect, body: bytes, count: Count, *, whole_texts: bool = False) -> CutBody:
        """`count` counts tokens of a text; `whole_texts`: the task needs all of the documents. A body that is none is left alone."""
        fields: dict[str, Any] = msgspec.json.decode(body)
        changed: dict[str, None] = {}
        trims: list[Trim] = []
        gone = self._history(dialect, fields, count) if "history" in self.config.rules else None
        if gone is not None:
            trims.append(gone.trim)
            changed[gone.field] = None
        found = slots(dialect, fields)
        for rule in (self._results,) if whole_texts else (self._results, self._extract):
            for slot, trim in rule(found, fields, count):
                slot.text = trim.after
                trims.append(trim)
                changed[slot.field] = None
        made = {name: msgspec.json.encode(fields[name]) for name in changed}
        return CutBody(made, tuple(trims), gone.texts if gone else (), gone.note if gone else "")

    def _history(self, dialect: Dialect, fields: dict[str, Any], count: Count) -> "_Gone | None":
        found, settings = history(dialect, fields), self.config
        if found is None:
            return None
        out = dropped(found.exchanges, keep_turns=settings.keep_turns, budget_tokens=settings.history_tokens, tokens=count)
        if not out:
            return None
        places = {place for number in out for place in found.exchanges[number].places}
        texts = tuple(found.exchanges[number].text for number in out)
        note = gap_note(len(out))
        put_note(found.items[found.exchanges[out[-1] + 1].places[0]], note)
        fields[found.field] = [item for place, item in enumerate(found.items) if place not in places]
        said = "\n\n".join(texts)
        return _Gone(found.field, texts, note, Trim("history", "assistant", said, note, count(said) - count(note)))

    def _results(self, found: list[Slot], fields: dict[str, Any], count: Count) -> list[tuple[Slot, Trim]]:
        if "results" not in self.config.rules:
            return []
        tools = [place for place, slot in enumerate(found) if slot.said == "tool"]
        latest = set(tools[len(tools) - self.config.keep_results :] if self.config.keep_results else ())
        calls = tool_calls(fields)
        # What the model has not answered yet, by words or by another call, is what this request is about.
        spoke = max([*(slot.place for slot in found if slot.said == "assistant"), *(at for at, _ in calls)], default=-1)
        made: list[tuple[Slot, Trim]] = []
        for place in tools:
            slot = found[place]
            if slot.pinned or place in latest or slot.place > spoke:
                continue
            after = pruned(slot.text, self.config.result_tokens, count)
            before = [*(one.text for one in found[:place]), *(call for at, call in calls if at <= slot.place)]
            later = [*(_own_words(one.text) for one in found[place + 1 :] if one.said != "tool"), *(call for at, call in calls if at > slot.place)]
            if after == slot.text or mentioned(slot.text, after, "\n".join(before), "\n".join(later)):
                continue
            made.append((slot, Trim("results", "tool", slot.text, after, count(slot.text) - count(after))))
        return made

    def _extract(self, found: list[Slot], _fields: dict[str, Any], count: Count) -> list[tuple[Slot, Trim]]:
        if "extract" not in self.config.rules:
            return []
        last = max((place for place, slot in enumerate(found) if slot.said == "user"), default=-1)
        if last < 0:
            return []
        pieces = [(slot, span) for place, slot in enumerate(found) for span in _long(slot, before_question=place < last)]
        texts = [slot.text[start:end] for slot, (start, end) in pieces]
        whole = "\n".join(texts)
        tokens = count(whole) if len(whole) > self.config.context_tokens else 0
        if tokens <= self.config.context_tokens:
            return []
        after = extract(texts, _own_words(found[last].text), self.config.context_tokens, len(whole) / tokens)
        return _put_in(pieces, texts, after, count)


class _Gone(msgspec.Struct, frozen=True):
    field: str
    texts: tuple[str, ...]
    note: str
    trim: Trim


def _long(slot: Slot, *, before_question: bool) -> list[tuple[int, int]]:
    """Where documents stand in a slot: between their tags, or a whole tool result in prose that came before the question."""
    if slot.pinned or slot.said == "assistant":
        return []
    if slot.said == "tool":
        prose = before_question and len(slot.text) > _PROSE_CHARS and slot.text.lstrip()[:1] not in ("{", "[")
        return [(0, len(slot.text))] if prose else []
    return document_spans(slot.text)


def _put_in(pieces: list[tuple[Slot, tuple[int, int]]], texts: list[str], after: list[str], count: Count) -> list[tuple[Slot, Trim]]:
    """One trim for each slot that changed."""
    made: dict[int, tuple[Slot, str, str, str]] = {}
    for (slot, (start, end)), before, now in reversed([*zip(pieces, texts, after, strict=True)]):
        if now == before:
            continue
        _, text, gone, stays = made.get(id(slot), (slot, slot.text, "", ""))
        made[id(slot)] = (slot, text[:start] + now + text[end:], before + gone, now + stays)
    return [
        (slot, Trim("extract", "tool" if slot.said == "tool" else "documents", slot.text, text, count(before) - count(now)))
        for slot, text, before, now in reversed(made.values())
        if count(now) < count(before)
    ]


def _own_words(text: str) -> str:
    """What the user says, without the documents in it."""
    done, parts = 0, list[str]()
    for start, end in document_spans(text):
        parts.append(text[done:start])
        done = end
    return "".join(parts) + text[done:]
