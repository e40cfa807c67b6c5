"""Token counts as the dialects write them, made one.

Guarantees: counts that cannot be true (negative, or above a billion) give `None`: unknown, so that they are estimated instead of billed.
"""

from decimal import Decimal

import msgspec

from farthing.core.money import format_usd
from farthing.core.usage import Usage, Worked

_ABSURD_TOKENS = 1_000_000_000


class ChatInputDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class OutputDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None


class ChatUsage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: ChatInputDetails | None = None
    completion_tokens_details: OutputDetails | None = None

    def neutral(self, timings: "Timings | None" = None) -> Usage | None:
        given, made = self.prompt_tokens_details, self.completion_tokens_details
        usage = sane_usage(
            self.prompt_tokens,
            0 if self.completion_tokens is None else self.completion_tokens,
            given.cached_tokens if given else None,
            given.cache_write_tokens if given else None,
            made.reasoning_tokens if made else None,
        )
        worked = None if timings is None else timings.neutral()
        return usage if usage is None or worked is None else msgspec.structs.replace(usage, worked=worked)


class Timings(msgspec.Struct, gc=False):
    """What llama.cpp's server adds to an answer and to the last chunk of a stream, in milliseconds."""

    prompt_ms: float | None = None
    predicted_ms: float | None = None

    def neutral(self) -> Worked | None:
        if self.prompt_ms is None or self.predicted_ms is None or min(self.prompt_ms, self.predicted_ms) < 0:
            return None
        return Worked(self.prompt_ms / 1000, self.predicted_ms / 1000)


class ResponsesUsage(msgspec.Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: ChatInputDetails | None = None
    output_tokens_details: OutputDetails | None = None

    def neutral(self) -> Usage | None:
        given, made = self.input_tokens_details, self.output_tokens_details
        return sane_usage(
            self.input_tokens,
            self.output_tokens,
            given.cached_tokens if given else None,
            given.cache_write_tokens if given else None,
            made.reasoning_tokens if made else None,
        )


class ThinkingDetails(msgspec.Struct, gc=False):
    thinking_tokens: int | None = None


class MessagesUsage(msgspec.Struct, gc=False):
    """Anthropic counts cached input apart. A stream says the input at its start and the output at its end."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: ThinkingDetails | None = None

    def over(self, earlier: "MessagesUsage | None") -> "MessagesUsage":
        """These counts, with what they leave out taken from the start of the stream."""
        if earlier is None:
            return self
        return MessagesUsage(
            earlier.input_tokens if self.input_tokens is None else self.input_tokens,
            earlier.output_tokens if self.output_tokens is None else self.output_tokens,
            earlier.cache_read_input_tokens if self.cache_read_input_tokens is None else self.cache_read_input_tokens,
            earlier.cache_creation_input_tokens if self.cache_creation_input_tokens is None else self.cache_creation_input_tokens,
            earlier.output_tokens_details if self.output_tokens_details is None else self.output_tokens_details,
        )

    def neutral(self) -> Usage | None:
        read, written = self.cache_read_input_tokens, self.cache_creation_input_tokens
        if self.input_tokens is None or min(self.input_tokens, read or 0, written or 0) < 0:
            return None
        thinking = self.output_tokens_details.thinking_tokens if self.output_tokens_details else None
        return sane_usage(self.input_tokens + (read or 0) + (written or 0), self.output_tokens, read, written, thinking)


def sane_usage(
    input_tokens: int | None, output_tokens: int | None, cached: int | None = None, written: int | None = None, reasoning: int | None = None
) -> Usage | None:
    """The usage, or `None` when it is incomplete or cannot be true. A part larger than its whole is unknown."""
    if input_tokens is None or output_tokens is None:
        return None
    if not (0 <= input_tokens <= _ABSURD_TOKENS and 0 <= output_tokens <= _ABSURD_TOKENS):
        return None
    cached = cached if cached is not None and 0 <= cached <= input_tokens else None
    written = written if written is not None and 0 <= written <= input_tokens - (cached or 0) else None
    reasoning = reasoning if reasoning is not None and 0 <= reasoning <= output_tokens else None
    return Usage(input_tokens, output_tokens, cached, written, reasoning)


def cost_number(cost_usd: Decimal) -> msgspec.Raw:
    """The cost as a JSON number, digit by digit, for `usage.cost`."""
    return msgspec.Raw(format_usd(cost_usd).encode())
