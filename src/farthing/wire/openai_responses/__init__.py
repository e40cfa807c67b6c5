"""OpenAI responses: requests, whole answers and streams, to and from `core.conversation`."""

from farthing.wire.openai_responses.answer import parse_answer, render_answer
from farthing.wire.openai_responses.reader import Reader
from farthing.wire.openai_responses.rendering import render_request
from farthing.wire.openai_responses.request import parse_request
from farthing.wire.openai_responses.writer import Writer

__all__ = ["Reader", "Writer", "parse_answer", "parse_request", "render_answer", "render_request"]
