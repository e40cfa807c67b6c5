"""Anthropic messages: requests, whole answers and streams, to and from `core.conversation`."""

from farthing.wire.anthropic_messages.answer import parse_answer, render_answer
from farthing.wire.anthropic_messages.reader import Reader
from farthing.wire.anthropic_messages.rendering import render_request
from farthing.wire.anthropic_messages.request import parse_request
from farthing.wire.anthropic_messages.writer import Writer

__all__ = ["Reader", "Writer", "parse_answer", "parse_request", "render_answer", "render_request"]
