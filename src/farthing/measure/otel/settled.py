"""What telemetry keeps of a settled request until it is sent: facts and numbers, no body."""

import msgspec

from farthing.core.account import Account
from farthing.core.decision import Decision
from farthing.core.exchange import Attempt, Exchange
from farthing.core.ledger import LedgerRow


class Settled(msgspec.Struct, frozen=True, gc=False):
    """One request. `row` holds prompt and answer only where the configuration draws some for the log, redacted."""

    row: LedgerRow
    attempts: tuple[Attempt, ...]
    decisions: tuple[Decision, ...]
    account: Account | None
    traceparent: str | None
    temperature: float | None
    top_p: float | None
    max_tokens: int | None
    seed: int | None
    choices: int
    wants_json: bool
    text_only: bool


def seal(x: Exchange, row: LedgerRow) -> Settled:
    """The facts, without what would keep bodies in memory."""
    peek = x.inbound.peek
    return Settled(
        row,
        tuple(x.attempts),
        tuple(x.decisions),
        x.account,
        x.inbound.traceparent,
        peek.temperature,
        peek.top_p,
        peek.max_output_tokens,
        peek.seed,
        peek.n,
        peek.wants_json or peek.answer_schema is not None,
        not peek.has_media,
    )
