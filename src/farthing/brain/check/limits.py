"""What a caller's schema may ask of us: nothing from outside, and no more work than its size suggests.

A validator follows `$ref` and `anyOf` at the same place of an answer; thirty definitions that each name the next one twice would be a
billion steps. The steps are counted before the schema is compiled.
"""

from typing import Any, cast

from farthing.core.errors import InvalidRequest

MAX_BYTES = 65_536
_MAX_STEPS = 10_000
_MAX_PATTERNS = 100
_MAX_CHAIN = 200
_LISTS = ("allOf", "anyOf", "oneOf")
_SINGLES = ("not", "if", "then", "else")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")

Node = dict[str, Any]


def check_limits(schema: Node) -> None:
    """Raises `InvalidRequest` for a schema that points outside itself or would take too long."""
    nodes = _nodes(schema)
    anchors = {f"#{node[name]}": node for node in nodes for name in ("$anchor", "$dynamicAnchor") if isinstance(node.get(name), str)}
    patterns = 0
    for node in nodes:
        patterns += isinstance(node.get("pattern"), str) + len(_object(node.get("patternProperties")))
        for name in _REFERENCES:
            reference = node.get(name)
            if isinstance(reference, str) and not reference.startswith("#"):
                raise refused(f"`{name}` points to '{reference[:100]}', and references outside the schema are never fetched")
        if node is not schema and isinstance(node.get("$id"), str):
            raise refused("`$id` inside the schema is not supported; refer with '#/$defs/name'")
    if patterns > _MAX_PATTERNS:
        raise refused(f"it has {patterns} patterns, and at most {_MAX_PATTERNS} are taken")
    counter = _Counter(schema, anchors)
    if any(counter.steps(node, 0) > _MAX_STEPS for node in nodes):
        raise refused(f"checking one value would take more than {_MAX_STEPS} steps; name fewer alternatives at one place")


def refused(problem: str) -> InvalidRequest:
    return InvalidRequest(f"The JSON schema for the answer cannot be used: {problem}.", param="response_format")


def _nodes(schema: Node) -> list[Node]:
    """Every object in the schema, itself first."""
    found: list[Node] = []
    waiting: list[Any] = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            node = cast(Node, value)
            found.append(node)
            waiting.extend(node.values())
        elif isinstance(value, list):
            waiting.extend(cast(list[Any], value))
    return found


def _object(value: object) -> Node:
    return cast(Node, value) if isinstance(value, dict) else {}


class _Counter:
    """Steps at one place of an answer, each node counted once."""

    def __init__(self, root: Node, anchors: dict[str, Node]) -> None:
        self._root = root
        self._anchors = anchors
        self._known: dict[int, int] = {}

    def steps(self, node: Node, chain: int) -> int:
        known = self._known.get(id(node))
        if known is not None:
            return known
        if chain > _MAX_CHAIN:
            raise refused(f"more than {_MAX_CHAIN} references follow each other")
        self._known[id(node)] = 1  # a circle back to here adds nothing: validators stop at it
        total = 1 + sum(self.steps(child, chain + 1) for child in self._here(node))
        self._known[id(node)] = min(total, _MAX_STEPS + 1)
        return self._known[id(node)]

    def _here(self, node: Node) -> list[Node]:
        """The schemas that the same value must face next."""
        found: list[Any] = [node.get(name) for name in _SINGLES]
        for name in _LISTS:
            listed = node.get(name)
            if isinstance(listed, list):
                found.extend(cast(list[Any], listed))
        found.extend(_object(node.get("dependentSchemas")).values())
        found.extend(_object(node.get("dependencies")).values())
        found.extend(self._resolve(node[name]) for name in _REFERENCES if isinstance(node.get(name), str))
        return [cast(Node, child) for child in found if isinstance(child, dict)]

    def _resolve(self, reference: str) -> Any:
        if reference in self._anchors:
            return self._anchors[reference]
        place: Any = self._root
        for part in reference[1:].split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(place, dict):
                place = cast(Node, place).get(name)
            elif isinstance(place, list) and name.isdigit() and int(name) < len(cast(list[Any], place)):
                place = cast(list[Any], place)[int(name)]
            else:
                return None
        return place
