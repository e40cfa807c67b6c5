"""Run one flow: each step as soon as what it needs is known, all under one deadline, and one row for the flow beside those of its model calls."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from farthing.brain.cap import Envelope
from farthing.brain.flows.asking import Hub, ask, exchange_of
from farthing.brain.flows.booking import close_flow, open_flow
from farthing.brain.flows.fetching import fetch_value, request_of
from farthing.brain.flows.local import StepFailed, branch, check_input, classified, extract, holds, rules
from farthing.brain.flows.names import Unknown, as_text, fill
from farthing.brain.flows.plan import Plan, Step
from farthing.brain.flows.result import FlowResult, StepResult
from farthing.brain.house import House
from farthing.brain.ports import Caller, Fetch
from farthing.brain.retrieve.context import context_block
from farthing.core.decision import Decision
from farthing.core.errors import FarthingError, GuardrailBlocked
from farthing.core.exchange import Exchange

_ASKING = ("llm", "decide_and_answer")
_AFAR = (*_ASKING, "http", "retrieve")


class Tools(msgspec.Struct, frozen=True):
    """What flows need beyond the house."""

    fetch: Fetch
    environ: Mapping[str, str]


async def run_flow(plan: Plan, x: Exchange, given: dict[str, Any], house: House, caller: Caller, tools: Tools) -> FlowResult:
    """Raises `InvalidRequest` for input that is not as declared, and what refuses the flow as a whole: guardrails, rates."""
    check_input(plan.flow.input, given)
    _guard_input(x, house)
    seat = await open_flow(x, house)
    running = _Running(plan, x, given, house, Hub(caller), tools)
    try:
        await running.to_the_end()
        result = running.result()
    except FarthingError as error:
        x.outcome, x.status, x.error_code, x.error_message = "refused", error.status, error.code, error.message
        await close_flow(running.nothing(), plan, house, seat)
        raise
    except asyncio.CancelledError:
        x.outcome, x.status = ("client_closed" if caller.gone else "interrupted"), 499
        await close_flow(running.nothing(), plan, house, seat)
        raise
    except BaseException:
        x.outcome, x.status = "error", 500
        await close_flow(running.nothing(), plan, house, seat)
        raise
    await close_flow(result, plan, house, seat)
    if (refused := _refused_outright(result)) is not None:
        raise refused
    return result


def _guard_input(x: Exchange, house: House) -> None:
    """Guardrails before any step, for some steps send the text to others than models."""
    if house.guardrails.active("input"):
        verdict = house.guardrails.inspect(x.inbound.peek.last_user_text, "input")
        if verdict.blocked_by is not None:
            raise GuardrailBlocked(f"The request was refused by guardrail '{verdict.blocked_by}'.")


def _refused_outright(result: FlowResult) -> FarthingError | None:
    """The error of a flow that has nothing to give: no answer, and no step done that asked anybody."""
    if result.answer is not None or any(step.state == "done" for step in result.steps.values()):
        return None
    return next((step.error for step in result.steps.values() if step.error is not None), None)


class _Running:
    """The state of one flow while it runs."""

    def __init__(self, plan: Plan, x: Exchange, given: dict[str, Any], house: House, hub: Hub, tools: Tools) -> None:
        self._plan, self._x, self._house, self._hub, self._tools = plan, x, house, hub, tools
        inbound = x.inbound
        self._values: dict[str, Any] = {"text": inbound.peek.last_user_text, "user": inbound.peek.end_user, "input": given}
        self._envelope = Envelope(inbound, house.config)
        self._one_at_a_time = asyncio.Lock() if self._envelope.token_cap is not None else None
        self._acting = plan.acting()
        self._shown: dict[str, Any] = {}
        self.results: dict[str, StepResult] = {}
        self.exchanges: list[Exchange] = []

    async def to_the_end(self) -> None:
        """Every step ended, one way or another."""
        waiting, tasks = dict(self._plan.steps), dict[asyncio.Task[StepResult], str]()
        self._stop_with_the_client()
        try:
            while waiting or tasks:
                while local := [name for name in self._ready(waiting) if self._plan.steps[name].table.do not in _AFAR]:
                    for name in local:
                        self._note(name, await self._step(waiting.pop(name)))
                if self._answered() is not None:
                    for name in [name for name in waiting if name not in self._acting]:
                        del waiting[name]
                        self._note(name, StepResult("skipped", reason="the answer is known without it"))
                for name in self._ready(waiting):
                    tasks[asyncio.create_task(self._step(waiting.pop(name)))] = name
                if not tasks:
                    continue
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    self._note(tasks.pop(task), task.result())
        finally:
            for task, name in tasks.items():
                if not (self._hub.gone and self._plan.steps[name].table.do in _ASKING):  # those hear of it themselves, and settle first
                    task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError, FarthingError):
                    await task

    def _ready(self, waiting: dict[str, Step]) -> list[str]:
        return [name for name, step in waiting.items() if step.needs <= self.results.keys()]

    def _stop_with_the_client(self) -> None:
        task = asyncio.current_task()
        assert task is not None

        def stop() -> None:
            task.cancel()

        self._hub.listen(stop)

    def _note(self, name: str, result: StepResult) -> None:
        self.results[name] = result
        if result.state == "done":
            self._values[name] = result.value
        self._x.decisions.append(Decision("flow", result.state, f"{name}: {self._plan.steps[name].table.do}{result.reason and f', {result.reason}'}"))

    async def _step(self, step: Step) -> StepResult:
        clock = self._house.clock
        if step.table.when and not holds(step.table.when, self._values):
            return StepResult("skipped", reason="its condition is not met")
        started_s = clock.monotonic()
        if started_s >= self._envelope.deadline_s:
            return StepResult("failed", reason=self._envelope.latency_reason)
        try:
            value, truncated = await self._do(step)
        except Unknown as unknown:
            return StepResult("skipped", reason=f"{{{unknown.name}}} is not known")
        except StepFailed as failure:
            return StepResult("failed", reason=str(failure), took_s=clock.monotonic() - started_s)
        except FarthingError as error:
            return StepResult("failed", reason=f"{error.code}: {error.message}", error=error, took_s=clock.monotonic() - started_s)
        return StepResult("done", value, took_s=clock.monotonic() - started_s, truncated=truncated)

    async def _do(self, step: Step) -> tuple[Any, str | None]:
        kind = step.table.do
        if kind in _ASKING:
            return await self._ask(step)
        if kind == "http":
            deadline_s, now_s = self._envelope.deadline_s, self._house.clock.monotonic()
            asked = request_of(step, self._values, self._plan.flow, self._tools.environ, now_s=now_s, deadline_s=deadline_s)
            return await fetch_value(asked, self._tools.fetch), None
        if kind == "retrieve":
            return await self._passages(step), None
        if kind == "classify":
            return classified(step, self._values, self._x.inbound, self._house.tokens), None
        return {"rules": rules, "extract": extract, "branch": branch}[kind](step, self._values), None

    async def _passages(self, step: Step) -> str | None:
        """What the tenant's documents say, framed as data; nothing in them is read as a name."""
        retriever, collection = self._house.retriever, step.table.collection
        if retriever is None or collection is None:
            raise StepFailed("no collection can be asked here")
        inbound, budget = self._x.inbound, self._house.config.retrieve.budget_tokens
        found = await retriever.find(inbound.tenant, collection, fill(step.table.of, self._values), budget_tokens=budget, model=inbound.peek.model)
        self._x.sources = tuple(dict.fromkeys((*self._x.sources, *found.sources)))
        return context_block(found) if found.excerpts else None

    async def _ask(self, step: Step) -> tuple[Any, str | None]:
        if self._one_at_a_time is None:
            return await self._ask_now(step)
        async with self._one_at_a_time:
            return await self._ask_now(step)

    async def _ask_now(self, step: Step) -> tuple[Any, str | None]:
        """Under a cap on tokens one call follows the other, so that each knows what is left."""
        before = sum(x.usage.input_tokens + x.usage.output_tokens for x in self.exchanges if x.usage is not None)
        deadline_s = self._envelope.deadline_s
        x = exchange_of(step, self._values, self._x.inbound, self._house, deadline_s=deadline_s, tokens_before=before)
        self.exchanges.append(x)
        return await ask(x, step, self._house, self._hub, asked=self._values["text"]), x.truncated

    def _answered(self) -> int | None:
        """Which of the answers it will be; `None` while a better one may still come, or when there is none."""
        for place, text in enumerate(self._plan.answer):
            try:
                fill(text, self._values)
            except Unknown:
                if not self._plan.behind(text) <= self.results.keys():
                    return None
            else:
                return place
        return None

    def result(self) -> FlowResult:
        """All that came of it, in the order of the file. Raises `GuardrailBlocked`."""
        self._shown = {name: self._guarded_value(self._values[name]) for name in self._plan.flow.show if name in self._values}
        place, answers = self._answered(), self._plan.answer
        if place is None:
            return self.nothing()
        told_by = self._acting.union(*map(self._plan.behind, answers[: place + 1]))
        return self._result(self._guarded(fill(answers[place], self._values)), told_by)

    def nothing(self) -> FlowResult:
        return self._result(None, {*self._plan.steps})

    def _result(self, answer: str | None, told_by: set[str]) -> FlowResult:
        steps = {name: self.results[name] for name in self._plan.steps if name in self.results}
        return FlowResult(self._plan.name, answer, steps, self.exchanges, self._x, self._shown, frozenset(told_by))

    def _guarded(self, text: str) -> str:
        """What did not come from a model has not been looked at yet."""
        guardrails = self._house.guardrails
        if not guardrails.active("output"):
            return text
        verdict = guardrails.inspect(text, "output")
        if verdict.blocked_by is not None:
            raise GuardrailBlocked(f"The answer was withheld by guardrail '{verdict.blocked_by}'.")
        return verdict.text

    def _guarded_value(self, value: Any) -> Any:
        """A value as it is where no guardrail reads answers; else as text, if it was changed."""
        if value is None or not self._house.guardrails.active("output"):
            return value
        text = as_text(value)
        return value if (clean := self._guarded(text)) == text else clean
