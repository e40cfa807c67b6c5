"""Check: an answer counts only when it is what was asked for, and nothing leaves that must not.

Guarantees: an answer that meets its schema is passed on byte for byte; a local repair is accepted only if it meets the schema, never adds
content, and never patches an answer that was cut off; patterns are RE2, so no text makes them slow; a schema is never fetched from anywhere.
Costs: validation of a 1 KB answer 7 us, mending it 0.5 ms, redaction of 1.5 KB 5 us, a guardrail on 1.5 KB 5 us; with accents 50 us
(bench/check.py).
Off: `check.schema = false`, `levers_off = ["check"]` or header `x-farthing-levers: -check` for schemas. Guardrails have no header: drop the row.
"""

import msgspec


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What a schema says of an answer. `text` is the answer to pass on; `problem` says what is wrong, for a person or a model."""

    ok: bool
    text: str
    repaired: bool = False
    problem: str | None = None


class GuardVerdict(msgspec.Struct, frozen=True, gc=False):
    """What the guardrails say of a text. `blocked_by` names the row; `text` is the text with `redactions` replacements."""

    blocked_by: str | None
    text: str
    redactions: int = 0
