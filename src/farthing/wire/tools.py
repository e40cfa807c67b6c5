"""Whose tools a request names: the caller's, who runs them itself, or the provider's, which run as part of the call."""

from typing import Any

import msgspec

from farthing.core.request import Dialect

_OWN = frozenset({"function", "custom"})
# Anthropic's own schemas for tools that the caller runs: bash_20250124, text_editor_20250728, computer_20250124, memory_20250818.
_OWN_PREFIXES = ("bash_", "text_editor_", "computer_", "memory_")
_SERVED_PARTS = ("server_tool_use", "mcp_tool_use")


class _Body(msgspec.Struct):
    tools: list[dict[str, Any]] | None = None
    web_search_options: msgspec.Raw = msgspec.Raw(b"null")
    mcp_servers: list[Any] | None = None


def provider_runs_tools(dialect: Dialect, body: bytes) -> bool:
    """Whether to ask this again would have something done again. What cannot be read counts as such."""
    try:
        asked = msgspec.json.decode(body, type=_Body)
    except msgspec.MsgspecError:
        return True
    if asked.mcp_servers or bytes(asked.web_search_options) != b"null":
        return True
    if dialect is Dialect.MESSAGES and any(f'"{part}"'.encode() in body for part in _SERVED_PARTS):
        return True
    return not all(_is_callers(dialect, tool) for tool in asked.tools or ())


def _is_callers(dialect: Dialect, tool: dict[str, Any]) -> bool:
    kind = tool.get("type")
    if dialect is Dialect.MESSAGES:
        return kind is None or kind == "custom" or str(kind).startswith(_OWN_PREFIXES)
    return kind in _OWN
