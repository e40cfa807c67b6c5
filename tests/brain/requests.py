"""Requests and signals for tests, with defaults for what a test does not care about."""

from typing import Any

import msgspec

from farthing.core.exchange import Signals
from farthing.core.request import Dialect, Inbound, KeyLimits, Peek, Principal, Turn

UNLIMITED = KeyLimits()


class WordTokens:
    """Tokens as a test can count them: one per word, four bytes per token when estimated."""

    def __init__(self) -> None:
        self.counted: list[str] = []

    def estimate(self, text_bytes: int) -> int:
        return (text_bytes + 3) // 4

    def count(self, text: str, model: str) -> int:
        self.counted.append(model)
        return len(text.split())


def make_peek(*turns: tuple[str, str], model: str = "farthing/auto", **fields: Any) -> Peek:
    found = tuple(Turn(role, text) for role, text in turns)
    size = sum(len(turn.text.encode("utf-8", "replace")) for turn in found)
    return Peek(model=model, turns=found, **{"text_bytes": size, **fields})


def make_inbound(
    text: str = "Hello", *, model: str = "farthing/auto", key: str | None = "k_01", allowed: tuple[str, ...] | None = None, **fields: Any
) -> Inbound:
    """`fields` are those of `Inbound`; `peek` replaces the one made from `text`; `limits` are the key's."""
    limits = fields.pop("limits", UNLIMITED)
    peek = fields.pop("peek", None) or make_peek(("user", text), model=model)
    principal = Principal(key, fields.get("tenant", "acme"), allowed_models=allowed, limits=limits)
    known: dict[str, Any] = {"tenant": "acme", "dialect": Dialect.CHAT, "request_id": "req_1", "body": b"{}", "started_s": 100.0, "received_at": 0.0}
    return Inbound(**{**known, **fields}, peek=peek, principal=principal)


def make_signals(**fields: Any) -> Signals:
    plain = Signals(task="qa", complexity=0.2, risk="low", needs_documents=False, language="en", query_tokens=20, input_tokens=40, confidence=0.9)
    return msgspec.structs.replace(plain, **fields)
