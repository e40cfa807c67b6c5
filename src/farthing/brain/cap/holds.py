"""Holds: what a request sets aside before its call, and what it gives back after.

The book takes all holds or none, so a limit is exact however many requests arrive at once.
"""

from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache

from farthing.brain.cap.base import Subject, scoped, subjects
from farthing.brain.cap.windows import day, minute, month
from farthing.config import Config
from farthing.core.errors import PriceUnknown
from farthing.core.exchange import Quote, Target
from farthing.core.ledger import Hold, Release
from farthing.core.money import to_picousd
from farthing.core.request import Inbound


def holds(inbound: Inbound, quote: Quote, config: Config, *, now: float, monotonic: float, target: Target | None = None) -> tuple[Hold, ...]:
    """All that must fit before this call is made; a limit that is not set gives no hold.

    Raises `PriceUnknown` when money is limited and the quote has no price. `target` only names the model in that message.
    """
    found: list[Hold] = []
    limited = subjects(inbound, config)
    for subject in limited:
        _rates(found, subject, inbound, quote, monotonic)
    amount: int | None = None
    for subject in limited:
        if subject.limits.daily_usd is not None or subject.limits.monthly_usd is not None:
            amount = _amount(quote, subject.title, inbound, target) if amount is None else amount
            _budgets(found, subject, amount, now)
    _run(found, inbound, quote, config, target)
    return tuple(found)


def hit_holds(inbound: Inbound, config: Config, *, monotonic: float) -> tuple[Hold, ...]:
    """What an answer from the cache must fit: the request rate. It costs no tokens, no money and no call."""
    index, ends = minute(monotonic)
    limited = [(subject, subject.limits.requests_per_minute) for subject in subjects(inbound, config)]
    return tuple(_requests(subject, limit, index, ends) for subject, limit in limited if limit is not None)


def releases(holds: Iterable[Hold], *, tokens_used: int | None, cost_picousd: int | None, calls: int) -> tuple[Release, ...]:
    """Give every hold back and book what was used. Unknown tokens or cost (`None`) book all that was held.

    The figures are those of the whole request: where several of its calls held on one meter, it is booked once. Requests stay used whatever
    came of them; calls of a run count what was really called, repairs included.
    """
    known = {"tokens": tokens_used, "budget": cost_picousd, "run_calls": calls}
    booked: set[str] = set()
    given: list[Release] = []
    for hold in holds:
        amount = hold.amount
        used = known.get(hold.kind)
        if used is None:
            used = 0 if hold.kind == "concurrent" else amount
        elif hold.meter in booked:
            used = 0
        booked.add(hold.meter)
        given.append(Release(hold.meter, amount, used))
    return tuple(given)


def orphans(holds: Iterable[Hold]) -> tuple[tuple[str, int, int], ...]:
    """`Intent.holds`: what to book if the gateway dies with the call in flight. Money and tokens count as spent: nobody knows better."""
    return tuple((hold.meter, hold.amount, 0 if hold.kind == "concurrent" else hold.amount) for hold in holds)


def _rates(found: list[Hold], subject: Subject, inbound: Inbound, quote: Quote, monotonic: float) -> None:
    limits = subject.limits
    if limits.concurrent is not None:
        key = subject.setting("concurrent")
        found.append(Hold(f"{subject.meter}:concurrent", "concurrent", 1, limits.concurrent, subject.title, "now", None, key))
    if limits.requests_per_minute is None and limits.tokens_per_minute is None:
        return
    index, ends = minute(monotonic)
    if limits.requests_per_minute is not None and inbound.flow is None:  # the flow itself is the request
        found.append(_requests(subject, limits.requests_per_minute, index, ends))
    if limits.tokens_per_minute is not None:
        amount = _tokens(inbound, quote, limits.tokens_per_minute)
        key = subject.setting("tokens_per_minute")
        found.append(Hold(f"{subject.meter}:tpm:{index}", "tokens", amount, limits.tokens_per_minute, subject.title, "minute", ends, key))


def _requests(subject: Subject, limit: int, index: int, ends: float) -> Hold:
    return Hold(f"{subject.meter}:rpm:{index}", "requests", 1, limit, subject.title, "minute", ends, subject.setting("requests_per_minute"))


def _tokens(inbound: Inbound, quote: Quote, limit: int) -> int:
    """Input and the most output. A guessed output maximum alone never makes a request too large for an empty minute."""
    amount = quote.input_tokens + quote.max_output_tokens
    if amount > limit >= quote.input_tokens and inbound.peek.max_output_tokens is None:
        return limit
    return amount


def _budgets(found: list[Hold], subject: Subject, amount: int, now: float) -> None:
    limits = subject.limits
    if limits.daily_usd is not None:
        label, ends = day(now)
        meter, key = f"{subject.meter}:usd:{label}", subject.setting("daily_usd")
        found.append(Hold(meter, "budget", amount, _picousd(limits.daily_usd), subject.title, "day", ends, key))
    if limits.monthly_usd is not None:
        label, ends = month(now)
        meter, key = f"{subject.meter}:usd:{label}", subject.setting("monthly_usd")
        found.append(Hold(meter, "budget", amount, _picousd(limits.monthly_usd), subject.title, "month", ends, key))


def _run(found: list[Hold], inbound: Inbound, quote: Quote, config: Config, target: Target | None) -> None:
    """Caps of the endpoint over all calls of one run. A request outside any run is a run of its own."""
    caps = config.endpoint(inbound.endpoint).caps
    whole = caps.max_usd if inbound.flow is not None else None  # of one request, and the flow is one
    if caps.max_calls_per_run is None and caps.max_usd_per_run is None and whole is None:
        return
    name = inbound.endpoint if inbound.endpoint in config.endpoints else "default"
    meter = f"run:{name}:{scoped(inbound.tenant, inbound.run_id or inbound.request_id)}"
    title, key = f"endpoint '{name}'", f"endpoints.{name}.caps"
    if caps.max_calls_per_run is not None:
        found.append(Hold(f"{meter}:calls", "run_calls", 1, caps.max_calls_per_run, title, "run", None, f"{key}.max_calls_per_run"))
    if whole is not None:
        amount = _amount(quote, title, inbound, target)
        found.append(Hold(f"flow:{inbound.flow}:usd", "budget", amount, _picousd(whole), title, "run", None, f"{key}.max_usd"))
    if caps.max_usd_per_run is not None:
        amount = _amount(quote, title, inbound, target)
        found.append(Hold(f"{meter}:usd", "budget", amount, _picousd(caps.max_usd_per_run), title, "run", None, f"{key}.max_usd_per_run"))


def _amount(quote: Quote, title: str, inbound: Inbound, target: Target | None) -> int:
    if quote.price_usd is None:
        raise price_unknown(title, inbound.peek.model if target is None else target.model)
    return to_picousd(quote.price_usd)


def price_unknown(title: str, model: str) -> PriceUnknown:
    """Money is limited and the model has no price: budgets fail closed."""
    return PriceUnknown(
        f"The spending of {title} is limited, and the price of '{model}' is unknown. "
        f'Set `models."{model}".input_usd_per_mtok` and `output_usd_per_mtok`, or ask for a model with a known price.',
        param="model",
    )


@lru_cache(maxsize=4096)
def _picousd(limit_usd: float) -> int:
    return to_picousd(Decimal(str(limit_usd)))
