"""What the ledger needs of a whole answer, read without building it.

Guarantees: an answer that is no JSON object of its dialect is `UpstreamBroken`, an error object under status 200 `UpstreamRefused`, both with
what was sent in the message. Counts that cannot be true are `None`.
Costs: 2 us for a chat answer of 1 KB (bench/wire.py).
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

import msgspec

from farthing.core.request import Dialect
from farthing.core.usage import Usage
from farthing.wire.anthropic_messages.answer import parse_finish as messages_finish
from farthing.wire.broken import broken, refused
from farthing.wire.embeddings import read_embeddings_usage
from farthing.wire.openai_chat.answer import parse_finish as chat_finish
from farthing.wire.openai_responses.answer import Incomplete
from farthing.wire.openai_responses.answer import parse_finish as responses_finish
from farthing.wire.usages import ChatUsage, MessagesUsage, ResponsesUsage, Timings

Told = tuple[Usage | None, str | None, str | None]  # usage, why it ended, model
T = TypeVar("T")


class _Choice(msgspec.Struct, gc=False):
    finish_reason: str | None = None


class _Completion(msgspec.Struct, gc=False):
    choices: list[_Choice]
    model: str | None = None
    usage: ChatUsage | None = None
    timings: Timings | None = None


class _Kind(msgspec.Struct, gc=False):
    type: str


class _Response(msgspec.Struct, gc=False):
    output: list[_Kind]
    status: str | None = None
    model: str | None = None
    incomplete_details: Incomplete | None = None
    usage: ResponsesUsage | None = None


class _Message(msgspec.Struct, gc=False):
    type: str
    content: list[_Kind]
    model: str | None = None
    stop_reason: str | None = None
    usage: MessagesUsage | None = None


def read_account(dialect: Dialect, body: bytes) -> Told:
    """Usage, finish (a value of `Finish`) and model of a whole answer. Raises `UpstreamBroken` or `UpstreamRefused`."""
    try:
        told = _READERS[dialect](body)
    except (ValueError, RecursionError):
        told = None
    if told is None:
        raise refused(body) or broken(body)
    return told


def _chat(decoder: "msgspec.json.Decoder[_Completion]", body: bytes) -> Told | None:
    found = decoder.decode(body)
    if not found.choices:
        return None
    return found.usage.neutral(found.timings) if found.usage else None, chat_finish(found.choices[0].finish_reason), found.model


def _responses(decoder: "msgspec.json.Decoder[_Response]", body: bytes) -> Told | None:
    found = decoder.decode(body)
    if found.status == "failed":
        return None
    has_calls = any(item.type == "function_call" for item in found.output)
    finish = responses_finish(found.status, found.incomplete_details, has_calls)
    return found.usage.neutral() if found.usage else None, finish, found.model


def _messages(decoder: "msgspec.json.Decoder[_Message]", body: bytes) -> Told | None:
    found = decoder.decode(body)
    if found.type != "message":
        return None
    return found.usage.neutral() if found.usage else None, messages_finish(found.stop_reason), found.model


_READERS: Mapping[Dialect, Callable[[bytes], Told | None]] = {
    Dialect.CHAT: partial(_chat, msgspec.json.Decoder(_Completion)),
    Dialect.RESPONSES: partial(_responses, msgspec.json.Decoder(_Response)),
    Dialect.MESSAGES: partial(_messages, msgspec.json.Decoder(_Message)),
    Dialect.EMBEDDINGS: read_embeddings_usage,
}
