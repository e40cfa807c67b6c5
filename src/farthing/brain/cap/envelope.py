"""Envelope: the caps of one request while it runs.

Crossing a target is recorded; reaching an absolute limit ends the answer with what there is, and the reason is told to the caller.
"""

from decimal import Decimal

from farthing.brain.cap.holds import price_unknown
from farthing.config import Config
from farthing.core.decision import Decision
from farthing.core.errors import CapReached
from farthing.core.exchange import Quote, Target
from farthing.core.money import format_usd
from farthing.core.request import Inbound

_EARLY_S = 0.02


class Envelope:
    """What the endpoint allows this request. `deadline_s` is monotonic; nothing of the request lives longer."""

    __slots__ = ("_caps", "_key", "_title", "cut_by_cap", "deadline_s", "started_s", "token_cap")

    def __init__(self, inbound: Inbound, config: Config) -> None:
        self._caps = config.endpoint(inbound.endpoint).caps
        name = inbound.endpoint if inbound.endpoint in config.endpoints else "default"
        self._title = f"endpoint '{name}'"
        self._key = f"endpoints.{name}.caps"
        self.started_s = inbound.started_s
        self.token_cap = None if self._caps.absolute_tokens is None else self._caps.absolute_tokens - inbound.tokens_before
        longest = config.resilience.deadline_s
        cap = self._caps.absolute_latency_s
        self.cut_by_cap = cap is not None and cap <= longest
        self.deadline_s = inbound.started_s + (cap if cap is not None and cap <= longest else longest)
        if inbound.deadline_s is not None:
            self.deadline_s = min(self.deadline_s, inbound.deadline_s)

    def put_off(self, seconds: float) -> None:
        """So long did it wait where no time counts."""
        self.started_s += seconds
        self.deadline_s += seconds

    def reached_by(self, now_s: float) -> bool:
        """Whether a deadline that has just rung was the endpoint's own cap. Timers ring up to a millisecond early."""
        return self.cut_by_cap and now_s >= self.deadline_s - _EARLY_S

    @property
    def latency_reason(self) -> str:
        """Why an answer was cut at `deadline_s`."""
        if self.cut_by_cap:
            return f"absolute latency of {self._title}: {self._caps.absolute_latency_s} s (`{self._key}.absolute_latency_s`)"
        return f"no request lives longer than {self.deadline_s - self.started_s:g} s (`resilience.deadline_s`)"

    @property
    def tokens_reason(self) -> str:
        """Why an answer was cut at `allowed_output_tokens`."""
        return f"absolute tokens of {self._title}: {self._caps.absolute_tokens} (`{self._key}.absolute_tokens`)"

    def allowed_output_tokens(self, input_tokens: int) -> int | None:
        """What the answer may still hold after this input; `None` is no cap. Raises `CapReached` when the input leaves nothing."""
        if self.token_cap is None:
            return None
        left = self.token_cap - input_tokens
        if left <= 0:
            allowed = self._caps.absolute_tokens or 0
            before = f", {allowed - self.token_cap} are used by the steps before" if allowed > self.token_cap else ""
            text = f"{self._title.capitalize()} allows {allowed} tokens per request{before}, and the input alone has {input_tokens}."
            raise CapReached(f"{text} Shorten it, or raise `{self._key}.absolute_tokens`.")
        return left

    def check_quote(self, quote: Quote, target: Target) -> None:
        """Raises `CapReached` when the call may cost more than `max_usd`, `PriceUnknown` when nobody knows."""
        most = self._caps.max_usd
        if most is None:
            return
        if quote.price_usd is None:
            raise price_unknown(self._title, target.model)
        if quote.price_usd > Decimal(str(most)):
            text = f"This call to '{target.model}' may cost {format_usd(quote.price_usd)} USD, and {self._title} allows {most} per request."
            raise CapReached(f"{text} Lower `max_tokens`, ask for a cheaper model, or raise `{self._key}.max_usd`.")

    def crossed(self, *, latency_s: float, tokens: int | None) -> list[Decision]:
        """One decision per target that this request crossed; `tokens` is input and output together."""
        found: list[Decision] = []
        target_s, target_tokens = self._caps.target_latency_s, self._caps.target_tokens
        if target_s is not None and latency_s > target_s:
            found.append(Decision("cap", "target_latency", f"took {latency_s:.2f} s, target {target_s} s of {self._title}"))
        if target_tokens is not None and tokens is not None and tokens > target_tokens:
            found.append(Decision("cap", "target_tokens", f"used {tokens} tokens, target {target_tokens} of {self._title}"))
        return found
