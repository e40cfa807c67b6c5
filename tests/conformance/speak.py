"""One question, put through any SDK in any mode, and its answer in one shape: what the parity tests compare.

Each speaker uses the SDK as its documentation shows: typed results when whole, accumulated streams otherwise.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from anthropic import Anthropic
from openai import LengthFinishReasonError, OpenAI

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
TOOL_SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    model: str
    stream: bool = False
    system: str | None = None
    history: tuple[tuple[str, str], ...] = ()  # role, text
    image: bool = False
    tools: bool = False
    force_tool: bool = False
    answered: tuple[ToolCall, str] | None = None  # a call made for `text`, and the tool's result
    schema: dict[str, Any] | None = None
    max_tokens: int = 500
    temperature: float | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    calls: tuple[ToolCall, ...]
    finish: str  # stop, length, tool
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    model: str
    id: str


class Clients:
    """One client of each SDK for a gateway; making them costs more than a request."""

    def __init__(self, base_url: str) -> None:
        self.openai = OpenAI(base_url=f"{base_url}/v1", api_key="unused", max_retries=0, timeout=15)
        self.anthropic = Anthropic(base_url=base_url, api_key="unused", max_retries=0, timeout=15)

    def __enter__(self) -> "Clients":
        return self

    def __exit__(self, *_: object) -> None:
        self.openai.close()
        self.anthropic.close()


Speaker = Callable[[Clients, Question], Answer]


def _chat_messages(question: Question) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = [{"role": "system", "content": question.system}] if question.system else []
    messages += [{"role": role, "content": text} for role, text in question.history]
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    messages.append({"role": "user", "content": [{"type": "text", "text": question.text}, picture] if question.image else question.text})
    if question.answered:
        call, result = question.answered
        function = {"name": call.name, "arguments": json.dumps(call.arguments)}
        messages.append({"role": "assistant", "content": None, "tool_calls": [{"id": call.id, "type": "function", "function": function}]})
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    return messages


def _chat_fields(question: Question) -> dict[str, Any]:
    fields: dict[str, Any] = {"model": question.model, "messages": _chat_messages(question), "max_tokens": question.max_tokens}
    if question.temperature is not None:
        fields["temperature"] = question.temperature
    if question.tools:
        function = {"name": "get_weather", "description": "Weather of a city.", "parameters": TOOL_SCHEMA}
        fields["tools"] = [{"type": "function", "function": function}]
    if question.force_tool:
        fields["tool_choice"] = {"type": "function", "function": {"name": "get_weather"}}
    if question.schema:
        fields["response_format"] = {"type": "json_schema", "json_schema": {"name": "reply", "strict": True, "schema": question.schema}}
    return fields


def chat(clients: Clients, question: Question) -> Answer:
    """openai `chat.completions`."""
    fields = _chat_fields(question) | {"extra_headers": question.headers}
    done: Any = _streamed_chat(clients.openai, fields) if question.stream else clients.openai.chat.completions.create(**fields)
    choice = done.choices[0]
    calls = tuple(ToolCall(call.id, call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls or ())
    details = done.usage.prompt_tokens_details
    return Answer(
        text=choice.message.content or "",
        calls=calls,
        finish={"tool_calls": "tool"}.get(choice.finish_reason, choice.finish_reason),
        input_tokens=done.usage.prompt_tokens,
        output_tokens=done.usage.completion_tokens,
        cached_tokens=(details.cached_tokens or 0) if details else 0,
        model=done.model,
        id=done.id,
    )


def _streamed_chat(client: OpenAI, fields: dict[str, Any]) -> Any:
    """What the SDK's helper gathers; it raises on `length`, and carries the completion then."""
    with client.chat.completions.stream(**fields, stream_options={"include_usage": True}) as stream:
        try:
            return stream.get_final_completion()
        except LengthFinishReasonError as cut:
            return cut.completion


def _responses_fields(question: Question) -> dict[str, Any]:
    items: list[dict[str, Any]] = [{"role": role, "content": text} for role, text in question.history]
    picture = {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"}
    items.append({"role": "user", "content": [{"type": "input_text", "text": question.text}, picture] if question.image else question.text})
    if question.answered:
        call, result = question.answered
        items.append({"type": "function_call", "call_id": call.id, "name": call.name, "arguments": json.dumps(call.arguments)})
        items.append({"type": "function_call_output", "call_id": call.id, "output": result})
    fields: dict[str, Any] = {"model": question.model, "input": items, "max_output_tokens": question.max_tokens, "store": False}
    if question.system:
        fields["instructions"] = question.system
    if question.temperature is not None:
        fields["temperature"] = question.temperature
    if question.tools:
        fields["tools"] = [{"type": "function", "name": "get_weather", "parameters": TOOL_SCHEMA, "strict": True}]
    if question.force_tool:
        fields["tool_choice"] = {"type": "function", "name": "get_weather"}
    if question.schema:
        fields["text"] = {"format": {"type": "json_schema", "name": "reply", "strict": True, "schema": question.schema}}
    return fields


def responses(clients: Clients, question: Question) -> Answer:
    """openai `responses`."""
    fields = _responses_fields(question) | {"extra_headers": question.headers}
    done = _streamed_response(clients.openai, fields) if question.stream else clients.openai.responses.create(**fields)
    calls = tuple(ToolCall(item.call_id, item.name, json.loads(item.arguments)) for item in done.output if item.type == "function_call")
    finish = "tool" if calls else {"completed": "stop", "incomplete": "length"}[done.status]
    return Answer(
        text=done.output_text,
        calls=calls,
        finish=finish,
        input_tokens=done.usage.input_tokens,
        output_tokens=done.usage.output_tokens,
        cached_tokens=done.usage.input_tokens_details.cached_tokens,
        model=done.model,
        id=done.id,
    )


def _streamed_response(client: OpenAI, fields: dict[str, Any]) -> Any:
    """The closing response; its text must be what the deltas said."""
    said, done = "", None
    for event in client.responses.create(**fields, stream=True):
        if event.type == "response.output_text.delta":
            said += event.delta
        elif event.type in ("response.completed", "response.incomplete"):
            done = event.response
    assert done is not None, "the stream ended without response.completed"
    assert done.output_text == said
    return done


def _messages_fields(question: Question) -> dict[str, Any]:
    messages: list[dict[str, Any]] = [{"role": role, "content": text} for role, text in question.history]
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    messages.append({"role": "user", "content": [{"type": "text", "text": question.text}, picture] if question.image else question.text})
    if question.answered:
        call, result = question.answered
        messages.append({"role": "assistant", "content": [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}]})
        messages.append({"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": result}]})
    fields: dict[str, Any] = {"model": question.model, "messages": messages, "max_tokens": question.max_tokens}
    if question.system:
        fields["system"] = question.system
    if question.temperature is not None:
        fields["extra_body"] = {"temperature": question.temperature}  # anthropic 2.x has no argument for it
    if question.tools:
        fields["tools"] = [{"name": "get_weather", "description": "Weather of a city.", "input_schema": TOOL_SCHEMA}]
    if question.force_tool:
        fields["tool_choice"] = {"type": "tool", "name": "get_weather"}
    if question.schema:
        fields["output_config"] = {"format": {"type": "json_schema", "schema": question.schema}}
    return fields


def messages(clients: Clients, question: Question) -> Answer:
    """anthropic `messages`."""
    fields = _messages_fields(question) | {"extra_headers": question.headers}
    if question.stream:
        with clients.anthropic.messages.stream(**fields) as stream:
            done: Any = stream.get_final_message()
    else:
        done = clients.anthropic.messages.create(**fields)
    calls = tuple(ToolCall(block.id, block.name, block.input) for block in done.content if block.type == "tool_use")
    cached = (done.usage.cache_read_input_tokens or 0) + (done.usage.cache_creation_input_tokens or 0)
    return Answer(
        text="".join(block.text for block in done.content if block.type == "text"),
        calls=calls,
        finish={"end_turn": "stop", "max_tokens": "length", "tool_use": "tool"}[done.stop_reason],
        input_tokens=done.usage.input_tokens + cached,
        output_tokens=done.usage.output_tokens,
        cached_tokens=done.usage.cache_read_input_tokens or 0,
        model=done.model,
        id=done.id,
    )


SPEAKERS: dict[str, Speaker] = {"chat": chat, "responses": responses, "messages": messages}
UPSTREAMS = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5", "chatonly": "llama-3.3-70b"}
