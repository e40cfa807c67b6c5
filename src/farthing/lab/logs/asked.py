"""What was asked and what came back, from the bodies that logs keep: chat, responses, messages, completions, Gemini contents, OTel parts.

Lenient on purpose: a log holds what somebody's exporter made of a body. What cannot be read is left out, never guessed.
"""

from collections.abc import Iterator
from typing import Any, cast

import msgspec

from farthing.core.request import Dialect, Turn
from farthing.lab.logs.record import Record, structured, whole

_TEXT_KEYS = ("text", "content", "parts", "output", "response", "result", "refusal", "thinking")
_ROLES = {"human": "user", "ai": "assistant", "model": "assistant", "bot": "assistant", "function": "tool", "developer": "system"}
_DEEPEST = 8
_CALLS = frozenset({"function_call", "tool_call", "tool_use"})


class Asked(msgspec.Struct, frozen=True, gc=False):
    """A request. `model` and the limits are `None` where it does not say."""

    turns: tuple[Turn, ...] = ()
    dialect: Dialect = Dialect.CHAT
    model: str | None = None
    temperature: float | None = None
    max_output_tokens: int | None = None
    stream: bool = False
    has_tools: bool = False
    user: str | None = None


class Counts(msgspec.Struct, frozen=True, gc=False):
    """Tokens of one call; `read` holds the cached and the cache-writing ones too, `written` the reasoning ones."""

    read: int | None = None
    written: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None

    def over(self, other: "Counts") -> "Counts":
        """These counts, with what they leave out taken from another source."""
        return Counts(*(mine if mine is not None else theirs for mine, theirs in zip(self.all, other.all, strict=True)))

    @property
    def all(self) -> tuple[int | None, ...]:
        return self.read, self.written, self.cached, self.cache_write, self.reasoning


NO_COUNTS = Counts()


class Told(msgspec.Struct, frozen=True, gc=False):
    """A reply."""

    answer: str | None = None
    tool_calls: tuple[str, ...] = ()
    finish: str | None = None
    model: str | None = None
    id: str | None = None
    counts: Counts = NO_COUNTS
    created: float | None = None
    error: str | None = None


def asked(found: Any) -> Asked:
    """A request body, a bare list of messages, or a bare text."""
    if isinstance(found, str):
        return Asked((Turn("user", found),) if found else ())
    if isinstance(found, list):
        return Asked(tuple(turns(cast(list[Any], found))))
    body = Record.of(found)
    return Asked(
        turns=tuple(_turns_of(body)),
        dialect=_dialect(body),
        model=body.text("model"),
        temperature=body.number("temperature"),
        max_output_tokens=body.integer("max_completion_tokens", "max_output_tokens", "max_tokens", "maxTokens", "maxOutputTokens"),
        stream=bool(body.flag("stream")),
        has_tools=bool(body.value("tools", "functions")),
        user=body.text("safety_identifier", "user"),
    )


def turns(messages: list[Any]) -> Iterator[Turn]:
    """The turns of a list of messages, or of bare texts."""
    for message in messages:
        if isinstance(message, dict):
            fields = cast(dict[str, Any], message)
            nested = fields.get("message")
            if isinstance(nested, dict) and "role" not in fields:
                fields = cast(dict[str, Any], nested)
            role = str(fields.get("role") or ("tool" if "output" in fields else fields.get("type")) or "user")
            yield Turn(_role(role), flat(fields.get("content") if "content" in fields else fields))
        elif isinstance(message, str):
            yield Turn("user", message)


def flat(found: Any, depth: int = 0) -> str:
    """The text of a content, whatever it is wrapped in."""
    if isinstance(found, str):
        return found
    if depth > _DEEPEST:
        return ""
    if isinstance(found, list):
        return "\n".join(filter(None, (flat(part, depth + 1) for part in cast(list[Any], found))))
    if isinstance(found, dict):
        fields = cast(dict[str, Any], found)
        if fields.get("type") in _CALLS:
            return ""
        return next((text for key in _TEXT_KEYS if key in fields and (text := flat(fields[key], depth + 1))), "")
    return ""


def told(found: Any) -> Told:
    """A response body, the chunks of a stream, a message, or a bare text."""
    found = structured(found)
    if isinstance(found, list):
        listed = cast(list[Any], found)
        return _of_chunks(listed) if _are_chunks(listed) else Told(answer=flat(listed) or None, tool_calls=tuple(_called(listed)))
    if isinstance(found, str):
        return Told(answer=found)
    body = Record.of(found)
    said, calls, finish = _said(body)
    return Told(
        answer=said,
        tool_calls=calls,
        finish=finish,
        model=body.text("model"),
        id=body.text("id", "responseId"),
        counts=usage(body.child("usage", "usageMetadata")),
        created=body.moment("created", "created_at"),
        error=_error(body),
    )


def usage(found: Record) -> Counts:
    """The token counts of a usage object of any service."""
    if not found.fields:
        return NO_COUNTS
    details = found.child("prompt_tokens_details", "input_tokens_details")
    made = found.child("completion_tokens_details", "output_tokens_details")
    given = found.integer("prompt_tokens", "input_tokens", "promptTokenCount", "promptTokens", "inputTokens")
    cached = found.integer("cache_read_input_tokens", "cachedContentTokenCount", "prompt_cache_hit_tokens")
    stored = found.integer("cache_creation_input_tokens")
    apart = "cache_read_input_tokens" in found.fields or stored is not None  # as Anthropic counts them
    if given is not None and apart and "prompt_tokens" not in found.fields:
        given += (cached or 0) + (stored or 0)
    return Counts(
        read=given,
        written=found.integer("completion_tokens", "output_tokens", "candidatesTokenCount", "completionTokens", "outputTokens"),
        cached=details.integer("cached_tokens") if cached is None else cached,
        cache_write=details.integer("cache_write_tokens") if stored is None else stored,
        reasoning=made.integer("reasoning_tokens"),
    )


def _turns_of(body: Record) -> Iterator[Turn]:
    system = body.value("system", "instructions", "systemInstruction", "system_instruction", "system_prompt", "systemPrompt")
    if system and (text := flat(system)):
        yield Turn("system", text)
    found = body.structure("messages", "input", "contents", "prompt", "question", "query", "inputs", "user_prompt")
    if isinstance(found, str):
        yield Turn("user", found)
    elif isinstance(found, list):
        yield from turns(cast(list[Any], found))
    elif isinstance(found, dict):
        yield from _turns_of(Record.of(cast(object, found)))


def _dialect(body: Record) -> Dialect:
    if body.value("system") is not None or body.value("anthropic_version") is not None:
        return Dialect.MESSAGES
    if "input" in body.fields and "messages" not in body.fields:
        return Dialect.EMBEDDINGS if "embed" in (body.text("model") or "") else Dialect.RESPONSES
    return Dialect.CHAT


def _role(role: str) -> str:
    role = role.lower()
    return _ROLES.get(role, role)


def _said(body: Record) -> tuple[str | None, tuple[str, ...], str | None]:
    """Text, tools called and finish of a whole answer."""
    choice = next(body.children("choices"), None) or next(body.children("candidates"), None)
    if choice is not None:
        message = choice.value("message", "content", "text")
        return flat(message) or None, tuple(_called([message])), choice.text("finish_reason", "finishReason", "stop_reason")
    output = body.structure("output", "content", "message", "completion", "text", "answer", "output_text", "response")
    parts = cast(list[Any], output) if isinstance(output, list) else [output]
    calls = (*_called([body.fields]), *_called(parts)) if "tool_calls" in body.fields else tuple(_called(parts))
    finish = body.text("stop_reason", "finish_reason", "status")
    return flat([part for part in parts if not _is_thought(part)]) or None, calls, finish


def _is_thought(part: Any) -> bool:
    return Record.of(part).value("type") in ("thinking", "reasoning", "redacted_thinking")


def _called(parts: list[Any]) -> Iterator[str]:
    """Names of the tools that an answer calls."""
    for part in parts:
        if not isinstance(part, dict):
            continue
        fields = Record(cast(dict[str, Any], part))
        if fields.value("type") in _CALLS and (name := fields.text("name")):
            yield name
        for call in fields.children("tool_calls"):
            if name := call.child("function").text("name") or call.text("name"):
                yield name
        if name := fields.child("function_call", "functionCall").text("name"):
            yield name
        nested = fields.value("content", "parts")
        if isinstance(nested, list):
            yield from _called(cast(list[Any], nested))


def _error(body: Record) -> str | None:
    error = body.structure("error")
    if isinstance(error, dict):
        inner = Record.of(cast(object, error))
        return inner.text("code", "type", "message") or "error"
    return str(error)[:200] if error else None


def _are_chunks(found: list[Any]) -> bool:
    return bool(found) and Record.of(found[0]).value("object") == "chat.completion.chunk"


def _of_chunks(chunks: list[Any]) -> Told:
    """A chat stream that was logged chunk by chunk."""
    pieces: list[str] = []
    calls: list[str] = []
    finish: str | None = None
    counts = NO_COUNTS
    head = Record.of(chunks[0])
    for chunk in map(Record.of, chunks):
        for choice in chunk.children("choices"):
            delta = choice.child("delta")
            pieces.append(delta.text("content") or "")
            calls += [name for call in delta.children("tool_calls") if (name := call.child("function").text("name"))]
            finish = choice.text("finish_reason") or finish
        if (used := chunk.child("usage")).fields:
            counts = usage(used)
    return Told(answer="".join(pieces) or None, tool_calls=tuple(calls), finish=finish, model=head.text("model"), id=head.text("id"), counts=counts)


def total(counts: dict[str, Any], *prefixes: str) -> int | None:
    """The sum of the counts whose names begin so; `None` without any."""
    found = [whole(value) for name, value in counts.items() if name.startswith(prefixes) and value is not None]
    return sum(found) if found else None
