"""Quote: the most that a call should cost, before it is made.

The input is an estimate (about 13 % off on English prose) and gets a margin; the output is the most that the model may write.
Settling replaces both by what the upstream counted.
"""

from decimal import Decimal

from farthing.config import Config
from farthing.core.exchange import Quote, Signals, Target
from farthing.core.request import Dialect, Inbound
from farthing.core.usage import PER_MILLION, Rate

DEFAULT_MAX_OUTPUT_TOKENS = 4096
INPUT_MARGIN_PERCENT = 15
# Anthropic's tokenizers cut the same text into more pieces than the ones that the estimate was fitted on.
CLAUDE_MARGIN_PERCENT = 40
# A large picture costs about this much at the providers that publish a formula; its size is not known here.
MEDIA_TOKENS = 1600
# OpenAI's own newer models refuse `max_tokens`; most other servers know nothing else.
_NEW_LIMIT_HOSTS = ("api.openai.com", ".openai.azure.com")


def max_output_tokens(inbound: Inbound, config: Config, target: Target) -> int:
    """What one choice may write: the body's limit, the endpoint's, the model's, else 4,096. Never above the model's own."""
    if inbound.dialect is Dialect.EMBEDDINGS:
        return 0
    model = config.models.get(target.model) or config.models.get(f"{target.service}/{target.model}")
    most = None if model is None else model.max_output_tokens
    asked = inbound.peek.max_output_tokens
    if asked is None:
        asked = config.endpoint(inbound.endpoint).max_output_tokens
    if asked is None:
        return DEFAULT_MAX_OUTPUT_TOKENS if most is None else most
    return asked if most is None else min(asked, most)


def quote(inbound: Inbound, signals: Signals, target: Target, rate: Rate | None, *, max_output_tokens: int, writes: bool = False) -> Quote:
    """Price of the call to `target` if it writes all it may; `None` where the model has no known price. `writes`: we may set a cache breakpoint."""
    peek = inbound.peek
    margin_percent = CLAUDE_MARGIN_PERCENT if "claude" in target.model else INPUT_MARGIN_PERCENT
    input_tokens = signals.input_tokens + (signals.input_tokens * margin_percent + 99) // 100
    if peek.has_media:
        input_tokens += MEDIA_TOKENS
    output_tokens = max_output_tokens * max(1, peek.n)
    if rate is None:
        return Quote(input_tokens, output_tokens, None)
    price = input_tokens * _dearest_input(inbound, rate, writes) + output_tokens * rate.output_usd_per_mtok
    return Quote(input_tokens, output_tokens, price / PER_MILLION)


def _dearest_input(inbound: Inbound, rate: Rate, writes: bool) -> Decimal:
    """Writing to a provider's prompt cache may cost more than plain input; only bodies that ask for it pay that."""
    write = rate.cache_write_usd_per_mtok
    if write is None or write <= rate.input_usd_per_mtok or not (writes or b"cache_control" in inbound.body):
        return rate.input_usd_per_mtok
    return write


def limit_field(config: Config, service_name: str, dialect: Dialect, body: bytes) -> str:
    """The field of a body that limits its output: the one that the caller used, else the one that the service knows."""
    if dialect is Dialect.RESPONSES:
        return "max_output_tokens"
    if dialect is Dialect.MESSAGES:
        return "max_tokens"
    if b'"max_completion_tokens"' in body:
        return "max_completion_tokens"
    if b'"max_tokens"' in body:
        return "max_tokens"
    service = config.services.get(service_name)
    new = service is not None and any(host in service.base_url for host in _NEW_LIMIT_HOSTS)
    return "max_completion_tokens" if new else "max_tokens"
