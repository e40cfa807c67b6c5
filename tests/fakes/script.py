"""What the fake model says: a pure function of the request, the same in every dialect.

Words in the last user text steer it: `slow:20` waits 20 ms before each chunk, `hold:500` waits before the head, `fail:429` answers that
status, `failonce:503` does so the first time only, `cut:3` drops the connection after three chunks, `words:40` answers forty words,
`cached:100` reports so many cached input tokens, `reason:8` so many reasoning tokens. `weather` calls the first tool. A schema is answered
with JSON that meets it; with `broken:1` small models (`...-mini`) break it, with `broken:2` all do, and the broken answer holds what the
question said of `mend`: shown it again without a schema, the model mends it (`mend:1`) or does not (`mend:0`). `down:503` is a status of small
models alone. `differ` names the model in the answer. A model called `judge...` grades two answers, or says whether two
questions are the same.
Anything else is echoed. One word is one token, so usage can be checked by counting.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

STEER = re.compile(r"\b(slow|hold|fail|failonce|down|cut|words|cached|reason|broken|mend|id):(\d+)")


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, whatever its dialect."""

    model: str
    text: str  # last user turn
    all_text: str
    tools: tuple[Tool, ...] = ()
    forced_tool: str | None = None
    schema: dict[str, Any] | None = None
    images: int = 0
    tool_results: tuple[str, ...] = ()  # answers to tools since the last user text
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What to answer, and how."""

    pieces: tuple[str, ...]
    tool: Tool | None = None
    arguments: str = ""
    finish: str = "stop"  # stop, length, tool
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    pace_s: float = 0.0
    hold_s: float = 0.0
    fail: int | None = None
    fail_once: int | None = None
    cut_after: int | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)


def plan(ask: Ask) -> Plan:
    """The answer to this request."""
    steer = {name: int(value) for name, value in STEER.findall(ask.text)}
    tool = _tool(ask)
    arguments = json.dumps(example_for(tool.schema)) if tool else ""
    words = [] if tool else _words(_text(ask, steer))
    finish = "tool" if tool else "stop"
    if ask.max_tokens is not None and len(words) > ask.max_tokens:
        words, finish = words[: ask.max_tokens], "length"
    reasoning = steer.get("reason", 0)
    input_tokens = max(len(ask.all_text.split()), 1) + 85 * ask.images
    return Plan(
        pieces=tuple(words),
        tool=tool,
        arguments=arguments,
        finish=finish,
        input_tokens=input_tokens,
        output_tokens=max(len(words) or len(arguments) // 4, 1) + reasoning,
        cached_tokens=min(steer.get("cached", 0), input_tokens - 1),
        reasoning_tokens=reasoning,
        pace_s=steer.get("slow", 0) / 1000,
        hold_s=steer.get("hold", 0) / 1000,
        fail=steer.get("down") if "down" in steer and _is_small(ask.model) else steer.get("fail"),
        fail_once=steer.get("failonce"),
        cut_after=steer.get("cut"),
    )


def _tool(ask: Ask) -> Tool | None:
    if not ask.tools:
        return None
    forced = next((tool for tool in ask.tools if tool.name == ask.forced_tool), None)
    wanted = ask.forced_tool is not None or ("weather" in ask.text.lower() and not ask.tool_results)
    return forced or (ask.tools[0] if wanted else None)


def _is_small(model: str) -> bool:
    return model.endswith("-mini")


def _text(ask: Ask, steer: dict[str, int]) -> str:
    if ask.schema is not None:
        breaks = steer.get("broken", 0) == 2 or (steer.get("broken", 0) == 1 and _is_small(ask.model))
        return f"broken id:{steer.get('id', 0)} mend:{steer.get('mend', 0)}" if breaks else json.dumps(example_for(ask.schema))
    if "mend" in steer:
        return '{"city": "Paris"}' if steer["mend"] else "still broken"
    if "words" in steer:
        return " ".join(f"word{number}" for number in range(steer["words"]))
    if ask.tool_results:
        return "The tool said " + " and ".join(ask.tool_results)
    if ask.model.startswith("judge"):
        return _same(ask.text) if "Reply with one word: SAME" in ask.text else _grades(ask.text)
    if "differ" in ask.text.split():
        return f"echo: {ask.text} ({ask.model})"
    if ask.images:
        return f"I see {ask.images} image{'s' if ask.images > 1 else ''}. echo: {ask.text}"
    return f"echo: {ask.text}"


def _same(text: str) -> str:
    """A judge who knows that questions are the same when they say the same after " i "."""
    asked = [text.partition(f" question {name}\n")[2].partition("\n")[0].lower() for name in "AB"]
    return "SAME" if asked[0].partition(" i ")[2] == asked[1].partition(" i ")[2] != "" else "OTHER"


def _grades(text: str) -> str:
    """A judge that likes answers of small models half as much, whichever comes first."""
    answers = text.partition(" answer A\n")[2].partition(" answer B\n")
    return json.dumps({name: 4 if "mini)" in answer else 8 for name, answer in (("A", answers[0]), ("B", answers[2]))})


def _words(text: str) -> list[str]:
    """Pieces that join to the text, one word each."""
    return re.findall(r"\s*\S+\s*$|\s*\S+", text) or [text]


def example_for(schema: dict[str, Any], root: dict[str, Any] | None = None) -> Any:
    """A value that meets this JSON schema: plain, and the same every time."""
    root = schema if root is None else root
    if "$ref" in schema:
        return example_for(_resolve(schema["$ref"], root), root)
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return example_for(schema[key][0], root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    return _example_of_type(schema, root)


def _example_of_type(schema: dict[str, Any], root: dict[str, Any]) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: example_for(inner, root) for name, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return [example_for(schema.get("items", {"type": "string"}), root)] * max(schema.get("minItems", 1), 1)
    plain: dict[str, Any] = {"integer": schema.get("minimum", 7), "number": 1.5, "boolean": True, "null": None}
    return plain.get(kind, "Paris")


def _resolve(reference: str, root: dict[str, Any]) -> dict[str, Any]:
    found: Any = root
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found
