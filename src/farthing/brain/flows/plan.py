"""From the tables of `[flows]` to plans: names resolved, patterns compiled, what needs what. Every mistake is a line that names its step."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

import msgspec

from farthing.brain.check.schema import check_schema
from farthing.brain.flows.names import fill, names_in
from farthing.brain.flows.place import Place, place_mistakes, place_of
from farthing.brain.reading.patterns import Pattern, compile_pattern
from farthing.config.flows import Flow, FlowStep
from farthing.core.errors import ConfigError, FarthingError

_NAME = re.compile(r"[A-Za-z][\w-]*")
_GIVEN = ("text", "user", "input")
_ALWAYS = {"do", "when"}
_ASKING = {"tier", "model", "system", "prompt", "max_tokens", "temperature"}
_TAKES: dict[str, set[str]] = {
    "rules": {"of", "rows", "otherwise"},
    "classify": {"of"},
    "extract": {"of", "fields", "schema"},
    "retrieve": {"of", "collection"},
    "http": {"method", "url", "body", "bearer_env", "timeout_s", "max_kb"},
    "llm": {*_ASKING, "schema"},
    "decide_and_answer": {*_ASKING, "actions", "answers"},
    "branch": {"of", "cases", "otherwise"},
}
_NEEDS: dict[str, tuple[str, ...]] = {
    "rules": ("rows",),
    "extract": ("fields", "schema"),
    "retrieve": ("collection",),
    "http": ("url",),
    "decide_and_answer": ("actions",),
    "branch": ("cases",),
}
_UNSET = FlowStep(do="rules")
_SIGNALS = frozenset({"task", "complexity", "risk", "needs_documents", "language", "domain"})


class Step(msgspec.Struct, frozen=True):
    """One step, ready to run. `needs` are the steps that must have ended before it."""

    name: str
    table: FlowStep
    needs: frozenset[str]
    patterns: tuple[Pattern, ...] = ()  # of its rows or fields, in order
    schema: dict[str, Any] | None = None
    place: Place | None = None


class Plan(msgspec.Struct, frozen=True):
    """One flow, ready to run; `steps` in the order of the file."""

    name: str
    flow: Flow
    steps: dict[str, Step]
    answer: tuple[str, ...]

    @property
    def endpoint(self) -> str:
        return self.flow.endpoint or self.name

    def behind(self, text: str) -> set[str]:
        """The steps that a text rests on, near and far."""
        return self._with_needs({root for path in names_in(text) if (root := path.partition(".")[0]) in self.steps})

    def acting(self) -> set[str]:
        """Steps that change the world or are shown, and those that they need: they run whatever is known already."""
        return self._with_needs({name for name, step in self.steps.items() if step.table.method == "POST" or name in self.flow.show})

    def _with_needs(self, found: set[str]) -> set[str]:
        while more := {need for name in found for need in self.steps[name].needs} - found:
            found = found | more
        return found


class Plans:
    """The flows of a configuration. Raises `ConfigError` with every mistake."""

    def __init__(self, flows: Mapping[str, Flow]) -> None:
        if found := [line for name, flow in flows.items() for line in flow_mistakes(name, flow)]:
            raise ConfigError("\n".join(found))
        self._plans = {name: _plan(name, flow) for name, flow in flows.items()}

    def get(self, name: str) -> Plan | None:
        return self._plans.get(name)

    def names(self) -> list[str]:
        return list(self._plans)


def _plan(name: str, flow: Flow) -> Plan:
    steps = {step: _step(f"flows.{name}.steps.{step}", step, table) for step, table in flow.steps.items()}
    return Plan(name, flow, steps, flow.answer or (f"{{{[*steps][-1]}}}",))


def _step(key: str, name: str, table: FlowStep) -> Step:
    rows = table.rows or tuple(table.fields.values())
    return Step(
        name,
        table,
        frozenset(root for path in _paths(table) if (root := path.partition(".")[0]) not in _GIVEN),
        tuple(compile_pattern(row.pattern, key) for row in rows),
        None if table.schema is None else msgspec.json.decode(table.schema),
        place_of(table.url) if table.do == "http" else None,
    )


def _paths(table: FlowStep) -> Iterator[str]:
    """Every path that a step names, in its texts and conditions."""
    for text in (table.of if "of" in _TAKES[table.do] else "", table.url, table.body or "", table.prompt if table.do in _MODELS else ""):
        yield from names_in(text)
    yield from table.when


_MODELS = ("llm", "decide_and_answer")


def flow_mistakes(name: str, flow: Flow) -> Iterator[str]:
    """What is wrong with one flow; nothing when it can run."""
    key = f"flows.{name}"
    if not flow.steps:
        yield f"{key} has no steps. Write [{key}.steps.NAME] with `do`."
        return
    for host in flow.private_hosts:
        if host not in flow.hosts:
            yield f"{key}.private_hosts names '{host}', which is not in {key}.hosts. Name it there as well, with its port."
    for step in flow.show:
        if step not in flow.steps:
            yield f"{key}.show names '{step}', and there is no such step. There are: {', '.join(flow.steps)}."
    for step, table in flow.steps.items():
        yield from _step_mistakes(f"{key}.steps.{step}", step, table, flow)
    for text in flow.answer:
        yield from _name_mistakes(f"{key}.answer", text, flow)
    yield from _circles(key, flow)


def _step_mistakes(key: str, name: str, table: FlowStep, flow: Flow) -> Iterator[str]:
    if not _NAME.fullmatch(name) or name in _GIVEN:
        yield f"{key}: a step's name is a letter and then letters, digits, - and _, and not one of {', '.join(_GIVEN)}."
    for field in msgspec.structs.fields(FlowStep):
        if field.name not in _ALWAYS | _TAKES[table.do] and getattr(table, field.name) != getattr(_UNSET, field.name):
            yield f"{key}.{field.name} is of no use in a step that does '{table.do}'. It takes: {', '.join(sorted(_TAKES[table.do]))}."
    needed = _NEEDS.get(table.do, ())
    if needed and not any(getattr(table, one) for one in needed):
        yield f"{key} does '{table.do}' and needs {' or '.join(f'`{one}`' for one in needed)}."
    yield from _text_mistakes(key, table, flow)
    yield from _pattern_mistakes(key, table)
    yield from _kind_mistakes(key, table, flow)


def _text_mistakes(key: str, table: FlowStep, flow: Flow) -> Iterator[str]:
    for field in ("of", "url", "body", "prompt"):
        text = getattr(table, field)
        if text and field in _TAKES[table.do]:
            yield from _name_mistakes(f"{key}.{field}", text, flow)
    if table.system and [*names_in(table.system)]:
        yield f"{key}.system may hold no names: what a caller wrote does not belong into a system prompt. Put them into `prompt`."
    for path, values in table.when.items():
        yield from _path_mistakes(f"{key}.when", path, flow)
        known = _values_of(flow.steps.get(path))
        for value in values if known is not None else ():
            if value not in known:  # pyright: ignore[reportOperatorIssue]
                yield f"{key}.when waits for '{path}' to be '{value}', which it never is. It gives: {', '.join(sorted(known or ()))}."


def _values_of(table: FlowStep | None) -> set[str] | None:
    """All values that a step can give; `None` where they cannot be listed."""
    if table is None or table.do not in ("rules", "branch"):
        return None
    return {*table.cases, *(row.value for row in table.rows)} | ({table.otherwise} if table.otherwise is not None else set())


def _pattern_mistakes(key: str, table: FlowStep) -> Iterator[str]:
    for row in (*table.rows, *table.fields.values()):
        try:
            compile_pattern(row.pattern, key)
        except ConfigError as mistake:
            yield mistake.message


def _kind_mistakes(key: str, table: FlowStep, flow: Flow) -> Iterator[str]:
    if table.do == "http" and table.url:
        yield from place_mistakes(f"{key}.url", table.url, flow.hosts)
    if table.body is not None:
        try:
            msgspec.json.decode(fill(table.body, {}, None, anyway='"x"'))
        except ValueError as mistake:
            yield f'{key}.body is no JSON: {mistake}. A name stands for a whole value, without quotes around it: {{"id": {{order.id}}}}.'
    for action in table.answers:
        if action not in table.actions:
            yield f"{key}.answers names '{action}', which is no action. Known: {', '.join(table.actions) or 'none'}."
    if table.schema is not None:
        try:
            schema: Any = msgspec.json.decode(table.schema)
            if not isinstance(schema, dict):
                raise ValueError("it is no object")
            check_schema(cast("dict[str, Any]", schema))
        except (ValueError, FarthingError) as mistake:
            yield f"{key}.schema is no JSON schema: {mistake}."


def _name_mistakes(key: str, text: str, flow: Flow) -> Iterator[str]:
    for path in names_in(text):
        yield from _path_mistakes(key, path, flow)


def _path_mistakes(key: str, path: str, flow: Flow) -> Iterator[str]:
    """A path must begin at something that is there, and go on where that is known to have such a part."""
    root, _, rest = path.partition(".")
    part = rest.partition(".")[0]
    if root == "input":
        if part not in flow.input:
            yield f"{key} names {{{path}}}, and no such input is declared. Declared: {', '.join(flow.input) or 'none'}."
    elif root in ("text", "user"):
        if rest:
            yield f"{key} names {{{path}}}; {root} has no parts."
    elif root not in flow.steps:
        known = ", ".join((*_GIVEN, *flow.steps))
        yield f"{key} names {{{path}}}, and there is no step '{root}'. There are: {known}. For the characters themselves: {{{{{path}}}}}."
    elif part and (parts := _parts_of(flow.steps[root])) is not None and part not in parts:
        yield f"{key} names {{{path}}}; step '{root}' gives {', '.join(sorted(parts)) or 'a text, which has no parts'}."


def _parts_of(table: FlowStep) -> frozenset[str] | None:
    """The parts of what a step gives; `None` where they are not known before it runs."""
    if table.do == "classify":
        return _SIGNALS
    if table.do == "http":
        return frozenset({"status", "body"})
    if table.do == "decide_and_answer":
        return frozenset({"action", "answer", "safe"})
    if table.do == "extract" and table.fields:
        return frozenset(table.fields)
    if table.do in ("rules", "branch") or (table.do == "llm" and table.schema is None):
        return frozenset()
    try:
        return frozenset(msgspec.json.decode(table.schema or "{}")["properties"])
    except (ValueError, KeyError, TypeError):
        return None


def _circles(key: str, flow: Flow) -> Iterator[str]:
    """Steps that wait for each other for ever: told once, at the first of them."""
    needs = {name: [root for path in _paths(table) if (root := path.partition(".")[0]) in flow.steps] for name, table in flow.steps.items()}
    ended: set[str] = set()
    while ready := [name for name in needs if name not in ended and all(need in ended for need in needs[name])]:
        ended.update(ready)
    if stuck := [name for name in needs if name not in ended]:
        trail = [stuck[0]]
        while (following := next(need for need in needs[trail[-1]] if need not in ended)) not in trail:
            trail.append(following)
        circle = [*trail[trail.index(following) :], following]
        yield f"{key}.steps.{circle[0]} waits for itself: {' needs '.join(circle)}. Take one of these names out."
