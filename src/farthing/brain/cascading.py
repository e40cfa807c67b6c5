"""The cascade: a cheap answer is read before any of it is served, and kept or replaced by the expensive model's.

Both calls are this request's: reserved, accounted and charged to routing. An escalation that cannot be had (budget, fault) leaves the cheap
answer standing, and says so.
"""

import msgspec

from farthing.brain.bodies import upstream_body
from farthing.brain.checking import side_call
from farthing.brain.failopen import attempt
from farthing.brain.outlet import Gathered
from farthing.brain.route.base import Judged, Step
from farthing.brain.route.cascade.answers import Read
from farthing.brain.settlement import count_answer
from farthing.brain.trip import Trip
from farthing.core.conversation import Answer, Finish
from farthing.core.decision import Decision
from farthing.core.errors import FarthingError
from farthing.core.exchange import Target

_KEEP = Step("keep", "the answer could not be read")


async def read(trip: Trip) -> None:
    """Keep or replace the gathered answer of a request that was routed on probation."""
    judged, outlet, learned = trip.judged, trip.outlet, trip.house.learned
    if judged is None or learned is None or not isinstance(outlet, Gathered) or trip.x.target is None or trip.x.target.tier != "cheap":
        return
    count_answer(trip)
    answer = outlet.answer()
    step = _step(trip, judged, answer, None)
    if step.action == "ask":
        step = await _second(trip, judged, answer, learned.models[2], step)
    if step.action == "escalate":
        await _escalate(trip, outlet, learned.models[1], step)
    else:
        trip.x.decisions.append(Decision("route", "answer_kept", step.reason))


def _step(trip: Trip, judged: Judged, answer: Answer, second: str | None) -> Step:
    learned, peek = trip.house.learned, trip.x.inbound.peek
    assert learned is not None
    shown = Read(answer.text, complete=answer.finish is not Finish.LENGTH, format_ok=_of_form(trip, answer))
    if answer.refusal or not answer.text.strip():
        return Step("escalate", "the cheap model refused" if answer.refusal else "the cheap answer is empty")
    return attempt(trip.x, "route", lambda: learned.read(judged, peek.last_user_text, shown, second), lambda: _KEEP)


def _of_form(trip: Trip, answer: Answer) -> bool:
    """Whether JSON came where JSON was asked for."""
    peek = trip.x.inbound.peek
    if peek.answer_schema is None and not peek.wants_json:
        return True
    try:
        msgspec.json.decode(answer.text)
    except msgspec.DecodeError:
        return False
    return True


async def _second(trip: Trip, judged: Judged, answer: Answer, model: str | None, step: Step) -> Step:
    """Ask the other cheap model, and see whether it says the same."""
    target = next((target for target in trip.house.catalog.tier("cheap") if target.model == model), None)
    if target is None:
        return Step("escalate", f"{step.reason}, and {model} is not in the cheap tier")
    try:
        dialect, body, stream = upstream_body(trip, target)
        other = await side_call(trip, target, dialect, body, "router", stream=stream)
    except FarthingError as error:
        return Step("escalate", f"{step.reason}, and {target.model} could not be asked: {error.code}")
    return _step(trip, judged, answer, other.text)


async def _escalate(trip: Trip, outlet: Gathered, model: str, step: Step) -> None:
    x = trip.x
    targets = trip.house.catalog.tier("expensive")
    target = next((target for target in targets if target.model == model), targets[0] if targets else None)
    if target is None:
        x.decisions.append(Decision("route", "answer_kept", f"{step.reason}, but the expensive tier is empty", failed_open=True))
        return
    try:
        better = await _ask(trip, target)
    except FarthingError as error:
        x.decisions.append(Decision("route", "answer_kept", f"{step.reason}, but {target.model} could not be asked: {error.code}", failed_open=True))
        return
    outlet.replace(better)
    trip.raw = None  # these bytes are nobody's answer any more; `instead` has those that are
    x.target, x.finish = target, outlet.finish_reason
    x.decisions.append(Decision("route", "escalated", step.reason))


async def _ask(trip: Trip, target: Target) -> Answer:
    dialect, body, stream = upstream_body(trip, target)
    return await side_call(trip, target, dialect, body, "escalate", stream=stream, keeps=trip.raw is not None)
