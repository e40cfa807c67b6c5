"""The output step: ask for a short answer, limit it, and watch it while it is written."""

from collections.abc import Iterable

import msgspec

from farthing.brain.failopen import attempt
from farthing.brain.house import House
from farthing.brain.output import ANY_TASK, Learned, Ruled, StreamWatch, choose_rule, fits, learned_limit, with_rule, with_stops
from farthing.brain.trip import Trip
from farthing.core.decision import Decision
from farthing.core.draw import fraction
from farthing.core.exchange import Target
from farthing.core.request import Dialect
from farthing.wire.patch import patch

_CONTROL = "output:{}:{}"


def shorten(trip: Trip) -> None:
    """Put the endpoint's length rule and stop sequences into the body, before the call is routed and quoted."""
    output = trip.endpoint.output
    if "output" in trip.off or not (output.rule or output.tasks or output.stop):
        return
    attempt(trip.x, "output", lambda: _shorten(trip), lambda: None)


def _shorten(trip: Trip) -> None:
    x, output = trip.x, trip.endpoint.output
    if not fits(x.inbound):
        return
    fields = with_stops(x.inbound.dialect, trip.body, output.stop) if output.stop else {}
    ruled = choose_rule(output, x.inbound, x.signals.task if x.signals else None)
    if ruled is not None and fraction(_CONTROL.format(x.inbound.endpoint, x.inbound.run_id)) < output.control_share:
        trip.unruled = ruled.task
        x.decisions.append(Decision("output", "control", "without its length rule, to measure what that saves"))
    elif ruled is not None and (ruling := with_rule(x.inbound.dialect, trip.body, ruled.text)):
        fields |= ruling
        _note_rule(trip, ruled)
    if "stop" in fields or "stop_sequences" in fields:
        x.decisions.append(Decision("output", "stop", f"{len(output.stop)} stop sequences"))
    if fields:
        trip.body = patch(trip.body, fields)


def _note_rule(trip: Trip, ruled: Ruled) -> None:
    x = trip.x
    tokens = trip.house.tokens.count(ruled.text, x.inbound.peek.model)
    trip.ruled = (ruled.task, tokens)
    x.decisions.append(Decision("output", "rule", f"{ruled.rule} (task {ruled.task})"))
    if x.signals is not None:
        x.signals = msgspec.structs.replace(x.signals, input_tokens=x.signals.input_tokens + tokens)


def learned_for(trip: Trip, target: Target) -> Learned | None:
    """The limit that answers of this endpoint taught, where one may be set and is lower than the model's own."""
    output, inbound = trip.endpoint.output, trip.x.inbound
    if not output.learn_limit or "output" in trip.off or inbound.peek.max_output_tokens is not None or not fits(inbound):
        return None
    return learned_limit(trip.house.lengths.known(inbound.endpoint, target.model), output.limit_margin)


def setting_of(trip: Trip, key: str) -> str:
    """The setting that a caller's operator may want to change."""
    name = trip.x.inbound.endpoint
    return f"endpoints.{name if name in trip.house.config.endpoints else 'default'}.output.{key}"


def watch_for(trip: Trip) -> StreamWatch | None:
    """Who watches this stream; nobody where the answer is data of the caller's own making, or carries several choices."""
    inbound = trip.x.inbound
    if "output" in trip.off or trip.call is None or inbound.dialect is Dialect.EMBEDDINGS or inbound.peek.n != 1:
        return None
    peek = inbound.peek
    data = peek.answer_schema is not None or peek.wants_json or peek.has_tools
    repeats = trip.endpoint.output.cut_repeats and not data
    limit = None if peek.has_tools else trip.sent_limit
    if limit is None and not repeats:
        return None

    def asked() -> str:
        return "\n".join(turn.text for turn in peek.turns if turn.role == "user")

    estimate = trip.house.tokens.estimate
    setting = setting_of(trip, "cut_repeats") if repeats else None
    return StreamWatch(trip.call.dialect, limit=limit, asked=asked, estimate=estimate, repeats=setting)


def recall(house: House, known: Iterable[tuple[str, str, str | None, int, str | None, int, int]]) -> None:
    """Learn lengths from the ledger: endpoint, model, task, output tokens, finish, without its rule, under a learned limit."""
    for endpoint, model, task, tokens, finish, control, limited in known:
        if finish != "stop" and not limited:
            continue
        house.lengths.add(endpoint, model, tokens)
        if control and finish == "stop":
            kind = task if task in house.config.endpoint(endpoint).output.tasks else ANY_TASK
            house.unruled.add(f"{endpoint}:{kind}", model, tokens)
