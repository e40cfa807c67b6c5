"""Logs with waste in them that was put there, and prices that are easy to check: 10 USD in, 1 cached, 30 out, for a million tokens."""

import json
import random
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from farthing.core.usage import Rate
from farthing.lab.audit.playbook import Finding, Playbook
from farthing.lab.audit.run import audit

READ, CACHED, WRITTEN = 10e-6, 1e-6, 30e-6  # USD per token
BIG, SMALL = "gpt-4o", "gpt-4o-mini"
START = 1_763_337_600.0

_STEMS, _ENDINGS = (
    "bar cal dor fen gol har jin kel lum mor nas pol quo rin sol tam ven wil yar zet",
    "ace bridge down field gate house isle land mere port",
)
_WORDS = [stem + ending for stem in _STEMS.split() for ending in _ENDINGS.split()]


class Prices:
    """`BIG` and `SMALL` have a price, nothing else has."""

    def rate(self, service: str, model: str) -> Rate | None:
        del service
        if model == SMALL:
            return Rate(Decimal(1), Decimal(3), Decimal("0.1"))
        return Rate(Decimal(10), Decimal(30), Decimal(1)) if model == BIG else None


class Words:
    """Text that does not repeat, from a seed."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._seed, self._number = seed, 0

    def sentence(self, words: int = 10) -> str:
        """Unlike any other: it holds a number of its own."""
        self._number += 1
        return " ".join([*self._random.choices(_WORDS, k=words - 1), f"item{self._seed}x{self._number}"]).capitalize()

    def text(self, sentences: int, words: int = 10) -> str:
        return ". ".join(self.sentence(words) for _ in range(sentences)) + "."


def call(messages: Sequence[tuple[str, str]], answer: str | None, **given: Any) -> dict[str, Any]:
    """One line. Tokens are a quarter of the bytes unless given; every call has a limit, a user and a run of its own unless given."""
    number = given.pop("number")
    body: dict[str, Any] = {"model": given.pop("model", BIG), "messages": [{"role": role, "content": text} for role, text in messages]}
    if (limit := given.pop("max_tokens", 500)) is not None:
        body["max_tokens"] = limit
    body |= {key: given.pop(key) for key in ("stream", "temperature", "tools") if key in given}
    message: dict[str, Any] = {"role": "assistant", "content": answer}
    if tool := given.pop("calls", None):
        message["tool_calls"] = [{"id": "c", "type": "function", "function": {"name": tool, "arguments": "{}"}}]
    usage: dict[str, Any] = {
        "prompt_tokens": given.pop("tokens_in", sum(len(text) for _, text in messages) // 4),
        "completion_tokens": given.pop("tokens_out", max(1, len(answer or "") // 4)),
    }
    if (cached := given.pop("cached", None)) is not None:
        usage["prompt_tokens_details"] = {"cached_tokens": cached}
    return {
        "timestamp": START + 600.0 * number,
        "latency_ms": 1000,
        "endpoint": "faq",
        "run_id": f"run-{number}",
        "user_id": f"user-{number}",
        "request": body,
        "response": {"model": body["model"], "choices": [{"message": message, "finish_reason": "stop"}], "usage": usage},
        **given,
    }


def audited(tmp_path: Path, records: Sequence[dict[str, Any]], **options: Any) -> Playbook:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return audit([path], Prices(), **({"processes": 1} | options))


def finding(playbook: Playbook, kind: str) -> Finding:
    return next(one for one in playbook.findings if one.kind == kind)


def kinds(playbook: Playbook) -> set[str]:
    return {one.kind for one in playbook.findings}


def clean(count: int, seed: int = 1) -> list[dict[str, Any]]:
    """Traffic without waste: short prompts, each question once, answers of much the same length, limits set, streamed."""
    words = Words(seed)
    return [
        call([("system", "Answer in two sentences."), ("user", f"Explain {words.text(12)}")], words.text(8), number=number, stream=True)
        for number in range(count)
    ]
