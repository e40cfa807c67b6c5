"""The nouns of the savings account: what each lever changed of a request, and what that was worth.

Money is whole picodollars, so that the parts of an account add up to its whole exactly.
"""

from decimal import Decimal
from typing import Literal

import msgspec

from farthing.core.usage import Rate

Saver = Literal["cache", "route", "diet", "retrieve", "output", "calls", "batch", "prompt_cache", "quantize", "check"]

# In the order in which accounts are shown. A lever may show a loss; `check` mostly does: it buys valid answers.
SAVERS: tuple[Saver, ...] = ("cache", "route", "diet", "retrieve", "output", "calls", "batch", "prompt_cache", "quantize", "check")


class Span(msgspec.Struct, frozen=True, gc=False):
    """A number of tokens that nobody could count, with the range that holds it nineteen times in twenty."""

    tokens: int
    low: int
    high: int


class Effect(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What one lever changed of the one call that answers a request, said as the difference that its absence would make.

    Token counts are those that the call would have had *more* without the lever; negative where the lever added some.
    """

    lever: Saver
    input_tokens: int = 0  # exact: removed by diet or retrieval before the call
    output_tokens: Span | None = None  # more output than was written; always an estimate
    cached_tokens: int = 0  # input tokens read from the provider's prompt cache that would not have been (negative: a prefix was lost)
    written_tokens: int = 0  # input tokens written to the provider's prompt cache that would not have been
    rate: Rate | None = None  # the price that the call would have had without it: the baseline model, the model before quantization
    price_factor: Decimal | None = None  # what the lever multiplied the price by: 0.5 for a provider's batch
    avoids_call: bool = False  # an answer was reused: with the lever there is no call at all
    calls_avoided: tuple[tuple[int, int], ...] = ()  # further calls that a flow made needless, as (input, output) tokens
    overhead_usd: Decimal = Decimal(0)  # what the lever itself spent: router, judge, repair, escalation, embedding, cache write


class Account(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one request saved, by lever, in picodollars: `sum(saved.values()) == baseline - cost`, exactly.

    `low` and `high` name only the levers whose part rests on an estimate. `extra` is the cost of calls beyond the one that answered, by purpose.
    """

    saved: dict[Saver, int]
    low: dict[Saver, int] = {}
    high: dict[Saver, int] = {}
    extra: dict[str, int] = {}
    prompt: tuple[int, int, int, int] | None = None  # input tokens of the answering call: system, history, documents, last user turn
