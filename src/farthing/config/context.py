"""How prompts are put together: examples of an endpoint, and what a provider keeps: `[prompt_cache]`."""

from typing import Annotated

from farthing.config.table import Table as _Table
from farthing.config.table import key as _key


class FewShotExample(_Table, frozen=True):
    """One example."""

    input: Annotated[str, _key("What a user would say.")]
    output: Annotated[str, _key("What is to be answered.")]


class FewShot(_Table, frozen=True):
    """The examples that help with this input, instead of all of them (docs/levers/context.md)."""

    examples: Annotated[tuple[FewShotExample, ...], _key("Examples, in the order in which they are shown.")] = ()
    path: Annotated[str | None, _key('JSONL file with more: {"input": ..., "output": ...} on each line.')] = None
    keep: Annotated[int, _key("How many are sent: those most like the input.", ge=1, le=64)] = 4
    marked: Annotated[bool, _key("Also choose among the examples that callers mark in their own prompts.")] = False


class PromptCache(_Table, frozen=True):
    """What providers keep of prompts (docs/levers/context.md). Set only where the sum of prices and observed repeats says that it pays."""

    enabled: Annotated[bool, _key("Set breakpoints for Anthropic and cache keys for OpenAI where the caller set none.")] = True
    ttl_s: Annotated[float, _key("How long a provider keeps a prefix that nobody reads.", gt=0)] = 300.0
    min_tokens: Annotated[int, _key("Shorter prefixes are not kept by any provider.", ge=1)] = 1024
    least_seen: Annotated[int, _key("So many requests of an endpoint must have been seen first.", ge=1)] = 20
