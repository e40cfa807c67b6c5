"""A recorded answer in OpenAI's chat dialect, whole or as server-sent events, byte for byte as that service writes them."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from farthing.core.errors import InvalidRequest, UnsupportedFeature
from farthing.models.recordings import RecordedUsage

Finish = Literal["stop", "length", "content_filter"]


class _Part(msgspec.Struct, frozen=True, gc=False):
    type: str = "text"
    text: str = ""


class _Message(msgspec.Struct, frozen=True):
    role: str
    content: str | list[_Part] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content if part.type == "text")
        return self.content or ""


class _StreamOptions(msgspec.Struct, frozen=True, gc=False):
    include_usage: bool = False


class Asked(msgspec.Struct, frozen=True):
    """The parts of a chat body that a recording can heed."""

    model: str
    messages: list[_Message]
    stream: bool | None = False
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = 1

    @property
    def prompt(self) -> str:
        return next((message.text for message in reversed(self.messages) if message.role == "user"), "")

    @property
    def system(self) -> str:
        return "\n".join(message.text for message in self.messages if message.role in ("system", "developer"))

    @property
    def before(self) -> tuple[str, ...]:
        """Texts of the turns between system prompt and the last user turn."""
        turns = [message for message in self.messages if message.role not in ("system", "developer")]
        last = max((place for place, message in enumerate(turns) if message.role == "user"), default=0)
        return tuple(message.text for message in turns[:last])

    @property
    def most_tokens(self) -> int | None:
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens


class Told(msgspec.Struct, frozen=True):
    """An answer ready to be sent: pieces of text with their tokens, and how it ended."""

    id: str
    created: int
    model: str
    pieces: tuple[tuple[str, int], ...]
    finish: Finish
    usage: RecordedUsage


_read_asked = msgspec.json.Decoder(Asked).decode


def read(body: bytes) -> Asked:
    """The request. Raises `InvalidRequest`, or `UnsupportedFeature` for what one recorded answer cannot give."""
    try:
        asked = _read_asked(body)
    except msgspec.MsgspecError as error:
        raise InvalidRequest(f"The recorded backend cannot read this chat request: {error}") from error
    if asked.n is not None and asked.n > 1:
        raise UnsupportedFeature("A recording holds one answer to a prompt. Ask with n = 1.", param="n")
    return asked


def limit(pieces: tuple[tuple[str, int], ...], recorded_tokens: int, most_tokens: int | None) -> tuple[tuple[tuple[str, int], ...], int]:
    """The pieces within a limit, and the tokens they are, on the scale of the recorded count."""
    if most_tokens is None or recorded_tokens <= most_tokens:
        return pieces, recorded_tokens
    counted = sum(tokens for _, tokens in pieces)
    budget, kept = most_tokens * counted / recorded_tokens, 0
    for number, (_, tokens) in enumerate(pieces):
        if kept + tokens > budget:
            return pieces[:number], min(most_tokens, round(kept * recorded_tokens / counted))
        kept += tokens
    return pieces, most_tokens


def _usage(usage: RecordedUsage) -> dict[str, object]:
    counts: dict[str, object] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
    if usage.cached_tokens is not None:
        counts["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    if usage.reasoning_tokens is not None:
        counts["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return counts


def whole(told: Told) -> bytes:
    """The body of a `chat.completion`."""
    message = {"role": "assistant", "content": "".join(piece for piece, _ in told.pieces), "refusal": None}
    return msgspec.json.encode(
        {
            "id": told.id,
            "object": "chat.completion",
            "created": told.created,
            "model": told.model,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": told.finish}],
            "usage": _usage(told.usage),
            "system_fingerprint": None,
        }
    )


def events(told: Told, wants_usage: bool) -> Iterator[tuple[bytes, int]]:
    """Events of a `chat.completion.chunk` stream, each with the tokens it carries."""
    head = {"id": told.id, "object": "chat.completion.chunk", "created": told.created, "model": told.model, "system_fingerprint": None}
    tail = {"usage": None} if wants_usage else {}

    def chunk(delta: dict[str, object], finish: str | None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return b"data: " + msgspec.json.encode({**head, "choices": [choice], **tail}) + b"\n\n"

    yield chunk({"role": "assistant", "content": "", "refusal": None}, None), 0
    for piece, tokens in told.pieces:
        yield chunk({"content": piece}, None), tokens
    yield chunk({}, told.finish), 0
    if wants_usage:
        yield b"data: " + msgspec.json.encode({**head, "choices": [], "usage": _usage(told.usage)}) + b"\n\n", 0
    yield b"data: [DONE]\n\n", 0
