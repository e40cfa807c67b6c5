"""The check step: an answer is held to the caller's schema and to the guardrails before it counts.

Invalid -> repair locally -> at most one cheap repair call -> escalate to the expensive tier -> `AnswerInvalid`.
Only answers that were gathered whole come here; the verdict is the same for streams, which are gathered when a check applies.
"""

from typing import Any, Literal

import msgspec

from farthing.brain.bodies import upstream_body
from farthing.brain.check.schema import check_answer, repair_prompt
from farthing.brain.outlet import Gathered
from farthing.brain.sending import checks_schema, guards_answers
from farthing.brain.settlement import add_attempt, count_answer, fail, note_failed, reserve_extra
from farthing.brain.settlement import cut as settle_cut
from farthing.brain.trip import Trip, Whole, after
from farthing.core.call import Call
from farthing.core.conversation import Answer, Finish
from farthing.core.decision import Decision
from farthing.core.errors import AnswerInvalid, FarthingError, GuardrailBlocked, Upstream
from farthing.core.exchange import Attempt, Target
from farthing.core.money import ZERO_USD
from farthing.core.request import Dialect
from farthing.core.usage import Usage
from farthing.wire.dialects import LANGUAGES, Collector, translate_request

_REPAIR_MAX_TOKENS = 4096


async def check(trip: Trip) -> None:
    """Pass, mend or refuse the gathered answer. Raises `AnswerInvalid` or `GuardrailBlocked`."""
    outlet, x = trip.outlet, trip.x
    count_answer(trip)
    if not isinstance(outlet, Gathered) or x.inbound.dialect is Dialect.EMBEDDINGS:
        return
    schema = x.inbound.peek.answer_schema
    if schema is not None and checks_schema(trip):
        await _hold_to_schema(trip, outlet, schema)
    if guards_answers(trip.house):
        hold_to_guardrails(trip, outlet)


async def cut(trip: Trip, reason: str) -> None:
    """End an answer that a cap cut, with what there is of it; guardrails read that too."""
    if isinstance(trip.outlet, Gathered) and guards_answers(trip.house):
        try:
            trip.outlet.so_far()
            hold_to_guardrails(trip, trip.outlet)
        except FarthingError as error:
            await fail(trip, error)
            return
    await settle_cut(trip, reason)


async def _hold_to_schema(trip: Trip, outlet: Gathered, schema: dict[str, Any]) -> None:
    answer = outlet.answer()
    if answer.tool_calls or answer.refusal:
        return
    verdict = check_answer(schema, answer.text, complete=answer.finish is not Finish.LENGTH)
    if verdict.ok and not verdict.repaired:
        return
    problem = verdict.problem or "the answer does not meet the schema"
    if verdict.ok:
        _use(trip, outlet, msgspec.structs.replace(answer, text=verdict.text), "repaired", "mended locally")
        return
    for mend in (_repair_call, _escalate):
        try:
            mended = await mend(trip, schema, answer.text, problem)
        except FarthingError as error:
            # A mend that cannot be had (budget, upstream) leaves the next one to try.
            trip.x.decisions.append(Decision("check", "mend_failed", f"{error.code}: {error.message}", failed_open=True))
            continue
        if mended is not None:
            _use(trip, outlet, mended, "mended", f"{mend.__name__.strip('_')} after: {problem}")
            return
    raise AnswerInvalid(f"The model's answer does not meet the schema of the request, and repair failed: {problem}")


def _use(trip: Trip, outlet: Gathered, answer: Answer, action: str, reason: str) -> None:
    """What goes out is this answer; the cache keeps only what came unaltered."""
    outlet.replace(answer)
    trip.raw = trip.instead = None
    trip.x.decisions.append(Decision("check", action, reason))


async def _repair_call(trip: Trip, schema: dict[str, Any], text: str, problem: str) -> Answer | None:
    """One call to the cheap tier that is shown the broken answer."""
    targets = trip.house.catalog.tier("cheap")
    if not trip.house.config.check.repair_call or not targets:
        return None
    target = targets[0]
    prompt = repair_prompt(schema, text, problem)
    body = msgspec.json.encode(
        {"model": target.model, "messages": [{"role": "user", "content": prompt}], "temperature": 0, "max_tokens": _REPAIR_MAX_TOKENS}
    )
    dialect = Dialect.CHAT
    if Dialect.CHAT not in trip.house.models.dialects(target.service):
        dialect = Dialect.MESSAGES
        body = translate_request(Dialect.CHAT, dialect, body, model=target.model, stream=False)
    return _valid(schema, await side_call(trip, target, dialect, body, "repair", stream=False))


async def _escalate(trip: Trip, schema: dict[str, Any], _text: str, _problem: str) -> Answer | None:
    """The request itself, asked of the expensive tier."""
    x = trip.x
    targets = [target for target in trip.house.catalog.tier("expensive") if target.model != (x.target.model if x.target else None)]
    if not trip.house.config.check.escalate or not targets:
        return None
    dialect, body, stream = upstream_body(trip, targets[0])
    answer = _valid(schema, await side_call(trip, targets[0], dialect, body, "escalate", stream=stream))
    if answer is not None:
        x.target = targets[0]
    return answer


def _valid(schema: dict[str, Any], answer: Answer) -> Answer | None:
    verdict = check_answer(schema, answer.text, complete=answer.finish is not Finish.LENGTH)
    return msgspec.structs.replace(answer, text=verdict.text) if verdict.ok else None


async def side_call(
    trip: Trip,
    target: Target,
    dialect: Dialect,
    body: bytes,
    purpose: Literal["repair", "escalate", "router", "summary", "rewrite"],
    *,
    stream: bool,
    keeps: bool = False,
) -> Answer:
    """A further call of this request: reserved, made, read whole, paid for by this request. `keeps`: the cache may have its answer."""
    x, house = trip.x, trip.house
    await reserve_extra(trip, target)
    call = Call(target.service, target.model, dialect, body, stream, trip.envelope.deadline_s, x.inbound.request_id, x.inbound.forward_headers)
    sent_s = house.clock.monotonic()
    trip.wait_for_upstream()
    reply = None
    try:
        reply = trip.reply = await house.models.send(call)
        came = await reply.read()
        answer = read_answer(dialect, came, stream=stream)
    except Upstream as error:
        # Once it had begun to answer it cost something, and nobody knows what.
        cost, took_s = ZERO_USD if reply is None else None, house.clock.monotonic() - sent_s
        note_failed(trip, Attempt(target, purpose, took_s, None, None, cost, error.code, after(trip, sent_s)))
        raise
    finally:
        trip.hands_off()
    took_s = house.clock.monotonic() - sent_s
    x.model_s = (x.model_s or 0.0) + took_s
    add_attempt(trip, target, purpose, answer.usage, latency_s=took_s, left_s=sent_s)
    if x.usage is not None and answer.usage is not None:
        x.usage = _sum(x.usage, answer.usage)
    if keeps:
        trip.instead = Whole(call, came, answer.usage, x.attempts[-1].cost_usd)
    return answer


def read_answer(dialect: Dialect, body: bytes, *, stream: bool) -> Answer:
    """A whole answer, or the server-sent events of one, as nouns. Raises `UpstreamBroken`."""
    language = LANGUAGES[dialect]
    if not stream:
        return language.parse_answer(body)
    reader, collector = language.reader(), Collector()
    for event in (*reader.feed(body), *reader.end()):
        collector.feed(event)
    if collector.failed is not None:
        raise collector.failed
    return collector.answer()


def _sum(one: Usage, other: Usage) -> Usage:
    def add(left: int | None, right: int | None) -> int | None:
        return left if right is None else right if left is None else left + right

    return Usage(
        one.input_tokens + other.input_tokens,
        one.output_tokens + other.output_tokens,
        add(one.cached_tokens, other.cached_tokens),
        add(one.cache_write_tokens, other.cache_write_tokens),
        add(one.reasoning_tokens, other.reasoning_tokens),
        one.estimated or other.estimated,
    )


def hold_to_guardrails(trip: Trip, outlet: Gathered) -> None:
    """Pass, change or withhold an answer, fresh or kept. Raises `GuardrailBlocked`."""
    x, house = trip.x, trip.house
    answer = outlet.answer()
    verdict = house.guardrails.inspect(answer.text, "output")
    if verdict.blocked_by is not None:
        x.decisions.append(Decision("guard", "blocked", f"answer matches '{verdict.blocked_by}'"))
        raise GuardrailBlocked(f"The answer was withheld by guardrail '{verdict.blocked_by}'.")
    text, too_long = house.guardrails.cut(verdict.text)
    if too_long:
        x.truncated = f"longest answer: {house.config.guard.max_answer_chars} characters (`guard.max_answer_chars`)"
        x.outcome, x.finish = "truncated", "length"
        outlet.finish_reason = "length"
    if text != answer.text:
        finish = {"finish": "length"} if x.truncated else {}
        _use(trip, outlet, msgspec.structs.replace(answer, text=text, **finish), "altered", "guardrails changed the answer")
