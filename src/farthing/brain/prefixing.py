"""The prompt-cache step: the last thing that is done to a body before it goes to a model, for only then is known which prices hold."""

import msgspec

from farthing.brain.failopen import attempt
from farthing.brain.prefix import reading_price, writing_pays
from farthing.brain.trip import Trip
from farthing.core.alias import is_alias
from farthing.core.decision import Decision
from farthing.core.draw import fraction
from farthing.core.exchange import Target
from farthing.core.request import Dialect
from farthing.core.usage import Rate
from farthing.wire.breakpoints import with_breakpoints
from farthing.wire.links import Chain, chain
from farthing.wire.patch import patch

_KEYED_HOSTS = ("api.openai.com", ".openai.azure.com")  # others may refuse a field that they do not know
_BYTES_PER_TOKEN = 4
_OWN = (b'"cache_control"', b'"prompt_cache_key"', b'"prompt_cache_retention"')


def keep_prefix(trip: Trip, target: Target, dialect: Dialect, body: bytes) -> bytes:
    """The body with what makes the provider keep its beginning, where that pays. What goes out is remembered either way."""
    if not (_may_mark(trip) or trip.endpoint.lossy.rules):
        return body
    return attempt(trip.x, "prompt_cache", lambda: _kept(trip, target, dialect, body), lambda: body)


def pays_to_write(trip: Trip, target: Target) -> bool:
    """Whether this call may be charged for writing a prefix: then its quote must hold that."""
    settings = trip.house.config.prompt_cache
    if not _may_mark(trip):
        return False
    rate, prefixes, endpoint = trip.house.prices.rate(target.service, target.model), trip.house.prefixes, trip.x.inbound.endpoint
    return any(writing_pays(rate, reads, least_seen=settings.least_seen) for reads in (prefixes.heads(endpoint), prefixes.talks(endpoint)))


def dearer(trip: Trip, body: bytes) -> str | None:
    """Why this shorter body would cost more than the trip's: a provider keeps, and sells for less, what is sent again and again.

    The trip's own body counts as kept where its like came within the provider's time, whether it was sent so or cut: left alone, it would be.
    """
    whole, cut = chain(trip.x.inbound.dialect, trip.body), chain(trip.x.inbound.dialect, body)
    if whole is None or cut is None:
        return None
    reason: str | None = None
    for target in _candidates(trip):
        rate = trip.house.prices.rate(target.service, target.model)
        if rate is None or rate.cached_usd_per_mtok is None or not keeps_by_itself(trip, target):
            continue
        before = reading_price(rate, *_tokens(trip, _whole(target), _name(target), whole))
        after = reading_price(rate, *_tokens(trip, _name(target), _name(target), cut))
        trip.house.prefixes.note(_whole(target), whole, trip.house.clock.monotonic())
        if after >= before:
            reason = f"leaving something out would move a prefix that {target.model} has probably kept, and cost {after - before:.6f} USD more"
    return reason


def _candidates(trip: Trip) -> list[Target]:
    """Who may be asked, as far as is known before routing."""
    catalog, model = trip.house.catalog, trip.x.inbound.peek.model
    return [*catalog.tier("cheap")[:1], *catalog.tier("expensive")[:1]] if is_alias(model) else [catalog.resolve(model)]


def _tokens(trip: Trip, uncut: str, sent: str, links: Chain) -> tuple[int, int]:
    """Of a prompt: all, and those that the provider has probably kept, under either name."""
    prefixes, now_s = trip.house.prefixes, trip.house.clock.monotonic()
    found = [link.size for name in {uncut, sent} if (link := prefixes.warm(name, links.links, now_s)) is not None]
    kept = max(found, default=0) // _BYTES_PER_TOKEN
    return links.links[-1].size // _BYTES_PER_TOKEN, kept if kept >= trip.house.config.prompt_cache.min_tokens else 0


def _whole(target: Target) -> str:
    """What would have gone to a model, uncut."""
    return f"whole:{_name(target)}"


def keeps_by_itself(trip: Trip, target: Target) -> bool:
    """Whether this service keeps prefixes of this endpoint: Anthropic does where a breakpoint says so, others as they please."""
    service = trip.house.config.services.get(target.service)
    asks = service is not None and service.dialect == "anthropic"
    return not asks or b'"cache_control"' in trip.x.inbound.body or pays_to_write(trip, target)


def _may_mark(trip: Trip) -> bool:
    return "prompt_cache" not in trip.off and trip.house.config.prompt_cache.enabled


def _kept(trip: Trip, target: Target, dialect: Dialect, body: bytes) -> bytes:
    inbound, house = trip.x.inbound, trip.house
    if len(body) < house.config.prompt_cache.min_tokens * _BYTES_PER_TOKEN or (links := chain(inbound.dialect, trip.body)) is None:
        return body
    fields: dict[str, bytes] = {}
    if _may_mark(trip) and not inbound.peek.stored_upstream and not any(mark in inbound.body for mark in _OWN):
        rate = house.prices.rate(target.service, target.model)
        fields = _marks(trip, rate, body, links) if dialect is Dialect.MESSAGES else _key(trip, target, rate, links)
    house.prefixes.sent(_name(target), inbound.endpoint, links, house.clock.monotonic())
    return patch(body, fields) if fields else body


def _marks(trip: Trip, rate: Rate | None, body: bytes, links: Chain) -> dict[str, bytes]:
    settings, prefixes, endpoint = trip.house.config.prompt_cache, trip.house.prefixes, trip.x.inbound.endpoint
    least_bytes = settings.min_tokens * _BYTES_PER_TOKEN
    heads, talks = prefixes.heads(endpoint), prefixes.talks(endpoint)
    head = links.head.size >= least_bytes and writing_pays(rate, heads, least_seen=settings.least_seen)
    talk = links.links[-1].size >= least_bytes and writing_pays(rate, talks, least_seen=settings.least_seen)
    fields = with_breakpoints(body, head=head, talk=talk) if head or talk else {}
    if fields:
        trip.marked = True
        reason = f"of {heads.seen} requests here {heads.reads} began alike and {talks.reads} went on within {settings.ttl_s:g} s"
        trip.x.decisions.append(Decision("prompt_cache", "marked", f"breakpoint after {_places(fields)}: {reason}"))
    return fields


def _places(fields: dict[str, bytes]) -> str:
    names = {"system": "the system prompt", "tools": "the tools", "messages": "the last message"}
    return " and ".join(names[field] for field in fields)


def _key(trip: Trip, target: Target, rate: Rate | None, links: Chain) -> dict[str, bytes]:
    """One key for all requests that begin alike, so that they meet the same machine; more of them where one would be too busy."""
    settings, house, inbound = trip.house.config.prompt_cache, trip.house, trip.x.inbound
    service = house.config.services.get(target.service)
    if service is None or not any(host in service.base_url for host in _KEYED_HOSTS):
        return {}
    heads = house.prefixes.heads(inbound.endpoint)
    if links.head.size < settings.min_tokens * _BYTES_PER_TOKEN or not writing_pays(rate, heads, least_seen=settings.least_seen):
        return {}
    lanes = house.prefixes.lanes(_name(target), links.head)
    lane = _lane(inbound.session or inbound.run_id or inbound.request_id, lanes)
    key = f"farthing-{links.head.digest.hex()[:24]}-{lane}"
    trip.x.decisions.append(Decision("prompt_cache", "keyed", f"{heads.reads} of {heads.seen} requests here began alike; key {lane + 1} of {lanes}"))
    return {"prompt_cache_key": msgspec.json.encode(key)}


def _lane(name: str, lanes: int) -> int:
    """The same one for the same name."""
    return int(fraction(f"lane:{name}") * lanes)


def _name(target: Target) -> str:
    return f"{target.service}/{target.model}"
