"""Say in a body what a provider shall keep of it: cache breakpoints for Anthropic, a cache key for OpenAI.

Guarantees: texts, tool calls and their order stay; messages that get no mark stay byte for byte; a text that gets one becomes a block of the same
text. Nothing is changed where there is nothing to mark. Pure.
"""

from typing import Any, cast

import msgspec

_MARK = {"type": "ephemeral"}
_MARKABLE = frozenset({"text", "image", "document", "tool_use", "tool_result"})

_encode = msgspec.json.encode


class _Body(msgspec.Struct, gc=False):
    tools: list[msgspec.Raw] = []
    system: Any = None
    messages: list[msgspec.Raw] = []


def with_breakpoints(body: bytes, *, head: bool, talk: bool) -> dict[str, bytes]:
    """The fields of an Anthropic body to change so that a breakpoint ends tools and system prompt (`head`) and the last message (`talk`)."""
    asked = msgspec.json.decode(body, type=_Body)
    fields: dict[str, bytes] = {}
    if head and (system := _marked(asked.system)) is not None:
        fields["system"] = _encode(system)
    elif head and not asked.system and asked.tools:
        last = msgspec.json.decode(asked.tools[-1], type=dict[str, Any])
        fields["tools"] = _joined([*asked.tools[:-1], msgspec.Raw(_encode(last | {"cache_control": _MARK}))])
    if talk and asked.messages:
        message = msgspec.json.decode(asked.messages[-1], type=dict[str, Any])
        if (content := _marked(message.get("content"))) is not None:
            fields["messages"] = _joined([*asked.messages[:-1], msgspec.Raw(_encode(message | {"content": content}))])
    return fields


def _marked(content: object) -> list[object] | None:
    """The content with a breakpoint on its last block; `None` where that cannot carry one."""
    if isinstance(content, str):
        return [{"type": "text", "text": content, "cache_control": _MARK}] if content.strip() else None
    if not isinstance(content, list) or not content:
        return None
    blocks = cast("list[object]", content)
    last = blocks[-1]
    if not isinstance(last, dict):
        return None
    block = cast("dict[str, object]", last)
    if block.get("type") not in _MARKABLE or block.get("text") == "":
        return None
    return [*blocks[:-1], block | {"cache_control": _MARK}]


def _joined(items: list[msgspec.Raw]) -> bytes:
    return b"[" + b",".join(map(bytes, items)) + b"]"
