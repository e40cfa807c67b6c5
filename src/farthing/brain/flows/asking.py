"""A step that asks a model: a request of the common journey, with every lever, check and cap, and a ledger row under the flow's run."""

from collections.abc import Callable
from typing import Any

import msgspec

from farthing.brain.flow import journey
from farthing.brain.flows.local import StepFailed, signals_of
from farthing.brain.flows.names import Values, fill
from farthing.brain.flows.plan import Step
from farthing.brain.house import House
from farthing.brain.ports import Caller
from farthing.core.alias import PREFIX
from farthing.core.conversation import Answer
from farthing.core.exchange import Exchange
from farthing.core.ids import new_id
from farthing.core.request import Dialect, Inbound
from farthing.wire.dialects import LANGUAGES
from farthing.wire.peek import peek

_DECIDES = "Choose one action.\n{}\n{}Reply with JSON only."
_ANSWERS = "With {}, also write the answer for the user into `answer`; with any other, `answer` is null.\n"


class Hub:
    """The caller of a flow, shared by its steps: one ear at the client, many that want to know when it leaves."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._listening: list[Callable[[], None]] = []
        caller.listen(self._left)

    @property
    def gone(self) -> bool:
        return self._caller.gone

    def listen(self, on_gone: Callable[[], None]) -> None:
        self._listening.append(on_gone)
        if self.gone:
            on_gone()

    def _left(self) -> None:
        for on_gone in self._listening:
            on_gone()


class StepCaller:
    """Fulfils `ports.Caller`: takes the answer to one step."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._body = b""
        self.started = False

    @property
    def gone(self) -> bool:
        return self._hub.gone

    def listen(self, on_gone: Callable[[], None]) -> None:
        self._hub.listen(on_gone)

    async def answer(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        await self.start(status, headers)
        self._body = body

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        del status, headers
        self.started = True

    async def write(self, data: bytes) -> None:
        self._body += data

    async def finish(self, data: bytes) -> None:
        self._body += data

    def gathered(self) -> Answer:
        return LANGUAGES[Dialect.CHAT].parse_answer(self._body)


def exchange_of(step: Step, values: Values, outer: Inbound, house: House, *, deadline_s: float, tokens_before: int) -> Exchange:
    """The request that asks for this step. It counts its time from now, and ends when the flow must."""
    body = msgspec.json.encode(_body(step, values, outer.peek.end_user))
    limits, now = house.config.limits, house.clock.now()
    inbound = msgspec.structs.replace(
        outer,
        request_id=new_id("req", now),
        body=body,
        peek=peek(Dialect.CHAT, body, json_depth=limits.json_depth, max_messages=limits.messages),
        started_s=house.clock.monotonic(),
        received_at=now,
        flow=outer.request_id,
        deadline_s=deadline_s,
        tokens_before=tokens_before,
        session=None,
        task_type=None,
    )
    return Exchange(inbound)


async def ask(x: Exchange, step: Step, house: House, hub: Hub, *, asked: str) -> Any:
    """Walk the journey; the value of the step. Raises what the journey raises, or `StepFailed`."""
    caller = StepCaller(hub)
    await journey(x, house, caller)
    answer = caller.gathered()
    if answer.refusal:
        raise StepFailed("the model refused")
    if step.table.do == "llm" and step.schema is None:
        return answer.text
    try:
        value = msgspec.json.decode(answer.text)
    except ValueError:
        raise StepFailed("the model's answer was cut before it was whole" if x.truncated else "the model gave no JSON") from None
    return value if step.table.do == "llm" else _decision(step, value, x, house, asked)


def _decision(step: Step, value: Any, x: Exchange, house: House, asked: str) -> dict[str, Any]:
    """The answer is kept only where its action may be served as it is, and nothing about the question is of high risk."""
    if not isinstance(value, dict) or value.get("action") not in step.table.actions:  # pyright: ignore[reportUnknownMemberType]
        raise StepFailed("the model chose none of the actions")
    action, answer = str(value["action"]), value.get("answer")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType, reportUnknownArgumentType]
    safe = action in step.table.answers and signals_of(asked, x.inbound, house.tokens).risk != "high"
    return {"action": action, "safe": safe, "answer": answer if safe and isinstance(answer, str) and answer.strip() else None}


def _body(step: Step, values: Values, end_user: str | None) -> dict[str, Any]:
    table = step.table
    system = table.system
    if table.do == "decide_and_answer":
        system = f"{system}\n\n{_instructions(step)}" if system else _instructions(step)
    messages = [{"role": "system", "content": system}] if system else []
    body: dict[str, Any] = {
        "model": table.model or f"{PREFIX}{table.tier}",
        "messages": [*messages, {"role": "user", "content": fill(table.prompt, values)}],
        "temperature": table.temperature,
    }
    if (schema := _schema(step)) is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": step.name, "schema": schema}}
    if table.max_tokens is not None:
        body["max_tokens"] = table.max_tokens
    if end_user:
        body["user"] = end_user
    return body


def _instructions(step: Step) -> str:
    actions = "\n".join(f"- {name}: {when}" for name, when in step.table.actions.items())
    return _DECIDES.format(actions, _ANSWERS.format(" or ".join(step.table.answers)) if step.table.answers else "")


def _schema(step: Step) -> dict[str, Any] | None:
    if step.table.do == "llm":
        return step.schema
    properties = {"action": {"type": "string", "enum": [*step.table.actions]}, "answer": {"type": ["string", "null"]}}
    return {"type": "object", "properties": properties, "required": ["action", "answer"], "additionalProperties": False}
