"""What of a prompt is sent, and what a provider keeps of it: `[prompt_cache]`."""

from typing import Annotated

from farthing.config.table import Table as _Table
from farthing.config.table import key as _key


class PromptCache(_Table, frozen=True):
    """What providers keep of prompts (docs/levers/context.md). Set only where the sum of prices and observed repeats says that it pays."""

    enabled: Annotated[bool, _key("Set breakpoints for Anthropic and cache keys for OpenAI where the caller set none.")] = True
    ttl_s: Annotated[float, _key("How long a provider keeps a prefix that nobody reads.", gt=0)] = 300.0
    min_tokens: Annotated[int, _key("Shorter prefixes are not kept by any provider.", ge=1)] = 1024
    least_seen: Annotated[int, _key("So many requests of an endpoint must have been seen first.", ge=1)] = 20
