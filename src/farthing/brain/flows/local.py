"""Steps that need neither a model nor the network. Pure."""

from collections.abc import Callable
from typing import Any

import msgspec

from farthing.brain.check.schema import check_answer
from farthing.brain.classify import classify
from farthing.brain.flows.names import Values, fill, look_up
from farthing.brain.flows.plan import Step
from farthing.brain.ports import Tokens
from farthing.config.flows import FlowField, FlowInput, ValueType
from farthing.core.alias import AUTO
from farthing.core.errors import InvalidRequest
from farthing.core.exchange import Signals
from farthing.core.request import Inbound, Peek, Turn

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_TYPES: dict[ValueType, tuple[type, ...]] = {"text": (str,), "number": (int, float), "integer": (int,), "boolean": (bool,)}
_MOST_INTEGER_DIGITS = 18


class StepFailed(Exception):
    """The step could not do its work; the words are the caller's to read."""


def check_input(declared: dict[str, FlowInput], given: dict[str, Any]) -> None:
    """Raises `InvalidRequest` for what is missing, undeclared or of another type."""
    for name in given:
        if name not in declared:
            raise InvalidRequest(f"metadata.input.{name[:80]} is not taken here. Known: {', '.join(declared) or 'none'}.", param="metadata.input")
    for name, wanted in declared.items():
        value = given.get(name)
        if value is None:
            if wanted.required:
                raise InvalidRequest(f"metadata.input.{name} is missing; expected {wanted.type}.", param="metadata.input")
        elif not isinstance(value, _TYPES[wanted.type]) or (isinstance(value, bool) and wanted.type != "boolean"):
            raise InvalidRequest(f"metadata.input.{name} is no {wanted.type}.", param="metadata.input")


def rules(step: Step, values: Values) -> str | None:
    text = fill(step.table.of, values)
    for row, pattern in zip(step.table.rows, step.patterns, strict=True):
        if pattern.search(text) is not None:
            return row.value
    return step.table.otherwise


def branch(step: Step, values: Values) -> str | None:
    """The case that the value leads to."""
    value = fill(step.table.of, values)
    return next((case for case, leads in step.table.cases.items() if value in leads), step.table.otherwise)


def extract(step: Step, values: Values) -> dict[str, Any]:
    """The fields that were found. Raises `StepFailed` when a required one was not, or what came does not meet the schema."""
    text = fill(step.table.of, values)
    if step.schema is not None:
        verdict = check_answer(step.schema, text)
        if not verdict.ok:
            raise StepFailed(f"the text does not meet the schema: {verdict.problem}")
        found: dict[str, Any] = msgspec.json.decode(verdict.text)
        return found
    fields = zip(step.table.fields.items(), step.patterns, strict=True)
    return {name: _field(name, field, pattern.search(text)) for (name, field), pattern in fields}


def _field(name: str, field: FlowField, match: Any) -> Any:
    if match is None:
        if field.required:
            raise StepFailed(f"'{name}' is not in the text")
        return None
    value: str = next((group for group in match.groups() if group is not None), match.group())
    read: Callable[[str], Any] = {"text": str, "number": _number, "integer": _integer, "boolean": _boolean}[field.type]
    try:
        return read(value.strip())
    except ValueError:
        raise StepFailed(f"'{name}' is no {field.type}: {value[:40]!r}") from None


def _number(text: str) -> float:
    found = float(text.replace(",", ""))
    if found - found != 0:  # infinite, or no number
        raise ValueError
    return found


def _integer(text: str) -> int:
    if len(text) > _MOST_INTEGER_DIGITS:
        raise ValueError
    return int(text.replace(",", ""))


def _boolean(text: str) -> bool:
    if text.lower() not in _TRUE + _FALSE:
        raise ValueError
    return text.lower() in _TRUE


def signals_of(text: str, inbound: Inbound, tokens: Tokens) -> Signals:
    """What the classifier reads off a text alone."""
    view = Peek(model=AUTO, turns=(Turn("user", text),), text_bytes=len(text.encode("utf-8", "replace")))
    return classify(msgspec.structs.replace(inbound, peek=view), tokens)


def classified(step: Step, values: Values, inbound: Inbound, tokens: Tokens) -> dict[str, Any]:
    signals = signals_of(fill(step.table.of, values), inbound, tokens)
    return {
        "task": str(signals.task),
        "complexity": round(signals.complexity, 3),
        "risk": signals.risk,
        "needs_documents": signals.needs_documents,
        "language": signals.language,
        "domain": signals.domain,
    }


def holds(when: dict[str, tuple[str, ...]], values: Values) -> bool:
    """Whether all conditions are met; what is not known meets none."""
    return all((value := look_up(path, values)) is not None and _said(value) in wanted for path, wanted in when.items())


def _said(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
