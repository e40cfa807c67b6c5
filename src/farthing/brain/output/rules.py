"""The length rule and the stop sequences of an endpoint, written into a body that has none of its own. Pure."""

from collections.abc import Sequence
from typing import Any, cast

import msgspec

from farthing.config import Output
from farthing.core.request import Dialect, Inbound

_SAID = "Length of the answer, unless the user asks for another: "
ANY_TASK = "*"

_encode = msgspec.json.encode
_Raws = list[msgspec.Raw]


class Ruled(msgspec.Struct, frozen=True, gc=False):
    """The rule for one request. `task` is `*` where the rule is the endpoint's for all."""

    rule: str
    task: str

    @property
    def text(self) -> str:
        return f"{_SAID}{self.rule.rstrip('. ')}."


class _Chat(msgspec.Struct, gc=False):
    messages: _Raws = []
    stop: msgspec.Raw = msgspec.Raw()


class _Messages(msgspec.Struct, gc=False):
    system: Any = None
    stop_sequences: msgspec.Raw = msgspec.Raw()


class _Responses(msgspec.Struct, gc=False):
    instructions: str | None = None


def fits(inbound: Inbound) -> bool:
    """Whether the form of the answer is left to us. A schema, JSON mode and tools are the caller's; so is a prefix that it had cached."""
    peek = inbound.peek
    if inbound.dialect is Dialect.EMBEDDINGS or peek.stored_upstream or peek.n != 1:
        return False
    return not (peek.answer_schema is not None or peek.wants_json or peek.has_tools or b"cache_control" in inbound.body)


def choose_rule(output: Output, inbound: Inbound, task: str | None) -> Ruled | None:
    """The rule of the task, else the endpoint's.

    A task that was guessed decides only where nothing was answered yet: it may change with the next turn, and the provider's cached prefix with it.
    """
    first = inbound.task_type is not None or not any(turn.role == "assistant" for turn in inbound.peek.turns)
    if task is not None and first and (rule := output.tasks.get(task)):
        return Ruled(rule, task)
    return Ruled(output.rule, ANY_TASK) if output.rule else None


def with_rule(dialect: Dialect, body: bytes, text: str) -> dict[str, bytes]:
    """The fields to change so that the text ends the system prompt; none where it cannot be placed."""
    if dialect is Dialect.CHAT:
        return _in_messages(msgspec.json.decode(body, type=_Chat).messages, text)
    if dialect is Dialect.MESSAGES:
        system = msgspec.json.decode(body, type=_Messages).system
        longer = _longer(system, text)
        return {} if longer is None else {"system": _encode(longer)}
    if dialect is Dialect.RESPONSES:
        return {"instructions": _encode(_longer(msgspec.json.decode(body, type=_Responses).instructions, text))}
    return {}


def _in_messages(messages: _Raws, text: str) -> dict[str, bytes]:
    """Every other message stays byte for byte."""
    first = cast("dict[str, Any]", msgspec.json.decode(messages[0])) if messages else {}
    if first.get("role") not in ("system", "developer"):
        return {"messages": _joined([_encode({"role": "system", "content": text}), *messages])}
    longer = _longer(first.get("content"), text)
    return {} if longer is None else {"messages": _joined([_encode(first | {"content": longer}), *messages[1:]])}


def _longer(content: object, text: str) -> object:
    """The system prompt with the text at its end; `None` for a shape that we do not know."""
    if content is None or content == "":
        return text
    if isinstance(content, str):
        return f"{content}\n\n{text}"
    return [*cast("list[object]", content), {"type": "text", "text": text}] if isinstance(content, list) else None


def _joined(messages: Sequence[bytes | msgspec.Raw]) -> bytes:
    return b"[" + b",".join(map(bytes, messages)) + b"]"


def with_stops(dialect: Dialect, body: bytes, stops: Sequence[str]) -> dict[str, bytes]:
    """The field to set so that the answer ends before any of these; none where the caller has its own, or the dialect has no such field."""
    if dialect is Dialect.CHAT and not bytes(msgspec.json.decode(body, type=_Chat).stop):
        return {"stop": _encode(list(stops))}
    if dialect is Dialect.MESSAGES and not bytes(msgspec.json.decode(body, type=_Messages).stop_sequences):
        return {"stop_sequences": _encode(list(stops))}
    return {}
