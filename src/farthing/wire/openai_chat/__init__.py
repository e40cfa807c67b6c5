"""OpenAI chat completions: requests, whole answers and streams, to and from `core.conversation`.

Reasoning travels in `reasoning_content`, as vLLM, DeepSeek and others write it; OpenAI itself has no field for it.
"""

from farthing.wire.openai_chat.answer import parse_answer, render_answer
from farthing.wire.openai_chat.reader import Reader
from farthing.wire.openai_chat.rendering import render_request
from farthing.wire.openai_chat.request import parse_request
from farthing.wire.openai_chat.writer import Writer

__all__ = ["Reader", "Writer", "parse_answer", "parse_request", "render_answer", "render_request"]
