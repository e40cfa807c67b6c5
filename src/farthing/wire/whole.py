"""The account of a whole answer, without reading the answer: usage, finish, model.

Costs: 1.5 us for a chat completion of 1 KB (bench/wire.py).
"""

from typing import Any

import msgspec

from farthing.core.request import Dialect
from farthing.core.usage import Usage
from farthing.wire.broken import decode_answer
from farthing.wire.usages import ChatUsage, MessagesUsage, ResponsesUsage


class _Choice(msgspec.Struct, gc=False):
    finish_reason: str | None = None


class _Chat(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    model: str | None = None
    usage: ChatUsage | None = None


class _Messages(msgspec.Struct, gc=False):
    content: msgspec.Raw | None = None
    stop_reason: str | None = None
    model: str | None = None
    usage: MessagesUsage | None = None


class _Incomplete(msgspec.Struct, gc=False):
    reason: str | None = None


class _Responses(msgspec.Struct, gc=False):
    output: msgspec.Raw | None = None
    status: str | None = None
    incomplete_details: _Incomplete | None = None
    model: str | None = None
    usage: ResponsesUsage | None = None


class _Embeddings(msgspec.Struct, gc=False):
    data: msgspec.Raw | None = None
    model: str | None = None
    usage: ChatUsage | None = None


_CHAT = msgspec.json.Decoder(_Chat)
_MESSAGES = msgspec.json.Decoder(_Messages)
_RESPONSES = msgspec.json.Decoder(_Responses)
_EMBEDDINGS = msgspec.json.Decoder(_Embeddings)
_INCOMPLETE = {"max_output_tokens": "length", "content_filter": "content_filter"}
_STOPS = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls", "refusal": "content_filter"}

Account = tuple[Usage | None, str | None, str | None]


def read_account(dialect: Dialect, body: bytes) -> Account:
    """Usage, finish in our own words where we have one, and model. Raises `UpstreamBroken` or `UpstreamRefused` for what is no answer."""
    return _READERS[dialect](body)


def _chat(body: bytes) -> Account:
    found = decode_answer(_CHAT, body, lambda answer: answer.choices)
    return _usage(found.usage), found.choices[0].finish_reason if found.choices else None, found.model


def _messages(body: bytes) -> Account:
    found = decode_answer(_MESSAGES, body, lambda answer: answer.content is not None)
    return _usage(found.usage), _STOPS.get(found.stop_reason or "", found.stop_reason), found.model


def _responses(body: bytes) -> Account:
    found = decode_answer(_RESPONSES, body, lambda answer: answer.output is not None)
    finish = "stop" if found.status == "completed" else found.status
    if found.status == "incomplete":
        finish = _INCOMPLETE.get((found.incomplete_details.reason if found.incomplete_details else None) or "", "length")
    return _usage(found.usage), finish, found.model


def _embeddings(body: bytes) -> Account:
    found = decode_answer(_EMBEDDINGS, body, lambda answer: answer.data is not None)
    return _usage(found.usage), "stop", found.model


def _usage(counted: Any) -> Usage | None:
    return None if counted is None else counted.neutral()


_READERS = {Dialect.CHAT: _chat, Dialect.MESSAGES: _messages, Dialect.RESPONSES: _responses, Dialect.EMBEDDINGS: _embeddings}
