"""Refusals: what a caller reads when a limit is reached, and the rate-limit headers of every answer."""

from collections.abc import Sequence
from datetime import UTC, datetime
from math import ceil

from farthing.core.errors import BudgetExceeded, CapReached, LimitReached, RateLimited
from farthing.core.ledger import Hold, Refusal, Reserved
from farthing.core.money import format_usd, from_picousd

_CONCURRENT_RETRY_S = 1.0
_SOONEST_RETRY_S = 0.001

Headers = list[tuple[bytes, bytes]]


def limit_error(refusal: Refusal, *, now: float, monotonic: float) -> LimitReached:
    """The error for the hold that did not fit: what is spent, which setting to raise, when it resets."""
    hold = refusal.hold
    if hold.kind == "budget":
        return _budget(refusal, now)
    if hold.kind == "run_calls":
        return CapReached(f"A run at {hold.subject} may make {hold.limit} model calls, and this would be one more. Raise `{hold.config_key}`.")
    if hold.kind == "concurrent":
        text = f"{_start(hold)} has {refusal.used + refusal.held} of {hold.limit} requests running."
        return RateLimited(f"{text} Wait for one to end, or raise `{hold.config_key}`.", retry_after_s=_CONCURRENT_RETRY_S)
    return _rate(refusal, monotonic)


def ratelimit_headers(holds: Sequence[Hold], reserved: Reserved, monotonic: float) -> Headers:
    """`x-ratelimit-*` in OpenAI's form, for the requests and the tokens that are scarcest among all subjects."""
    tightest: dict[str, tuple[int, Hold]] = {}
    for hold, left in zip(holds, reserved.left, strict=True):
        if hold.kind == "requests" or hold.kind == "tokens":
            known = tightest.get(hold.kind)
            if known is None or left < known[0]:
                tightest[hold.kind] = (left, hold)
    headers: Headers = []
    for left, hold in tightest.values():
        headers += _headers(hold, left, monotonic)
    return headers


def refusal_headers(refusal: Refusal, monotonic: float) -> Headers:
    """The same headers on a 429; empty unless a rate was the reason."""
    hold = refusal.hold
    if hold.kind != "requests" and hold.kind != "tokens":
        return []
    return _headers(hold, max(0, hold.limit - refusal.used - refusal.held), monotonic)


def _rate(refusal: Refusal, monotonic: float) -> LimitReached:
    hold = refusal.hold
    if hold.amount > hold.limit:
        text = f"This request may need {hold.amount} tokens, and {hold.subject} has {hold.limit} per minute. Lower `max_tokens`"
        return CapReached(f"{text}, shorten the input, or raise `{hold.config_key}`.")
    wait_s = max(_SOONEST_RETRY_S, (hold.window_ends or monotonic) - monotonic)
    taken = refusal.used + refusal.held
    asked = "" if hold.kind == "requests" else f" and this request may need {hold.amount}"
    text = f"Rate limit of {hold.subject} is reached: {taken} of {hold.limit} {hold.kind} this minute{asked}."
    return RateLimited(f"{text} Wait {ceil(wait_s)} s, or raise `{hold.config_key}`.", retry_after_s=wait_s)


def _budget(refusal: Refusal, now: float) -> LimitReached:
    hold = refusal.hold
    period = {"day": " today", "month": " this month"}.get(hold.window, " in this run")
    state = f"{_usd(refusal.used)} of {_usd(hold.limit)} USD{period}"
    if refusal.held:
        state += f", {_usd(refusal.held)} held by running calls"
    asks = f"this call may cost {_usd(hold.amount)} USD"
    if hold.window == "run":
        return CapReached(f"The cap of {hold.subject} is reached: {state}, and {asks}. Raise `{hold.config_key}`.")
    spent = "is spent" if refusal.used + refusal.held >= hold.limit else "does not cover this call"
    text = f"Budget of {hold.subject} {spent}: {state}, and {asks}."
    return BudgetExceeded(f"{text} Raise `{hold.config_key}`, or wait until {_when(hold, now)}.")


def _when(hold: Hold, now: float) -> str:
    ends = datetime.fromtimestamp(hold.window_ends or now, UTC)
    return ends.strftime("%H:%M UTC" if hold.window == "day" else "%Y-%m-%d %H:%M UTC")


def _start(hold: Hold) -> str:
    return hold.subject[:1].upper() + hold.subject[1:]


def _usd(amount_picousd: int) -> str:
    return format_usd(from_picousd(amount_picousd))


def _headers(hold: Hold, left: int, monotonic: float) -> Headers:
    seconds = max(0.0, (hold.window_ends or monotonic) - monotonic)
    reset = b"%dms" % ceil(seconds * 1000) if seconds < 1 else b"1m0s" if seconds > 59 else b"%ds" % ceil(seconds)
    kind = b"requests" if hold.kind == "requests" else b"tokens"
    return [
        (b"x-ratelimit-limit-" + kind, b"%d" % hold.limit),
        (b"x-ratelimit-remaining-" + kind, b"%d" % left),
        (b"x-ratelimit-reset-" + kind, reset),
    ]
