"""Which settled answers become cases, and what is under test in them. Pure."""

from fnmatch import fnmatchcase

from farthing.brain.ports import CatalogPort
from farthing.brain.quality.base import Case
from farthing.brain.quality.calls import Said
from farthing.core.account import Saver
from farthing.core.alias import AUTO, is_alias
from farthing.core.decision import LEFT_OUT
from farthing.core.errors import FarthingError
from farthing.core.exchange import Exchange, Target
from farthing.core.judgement import Guarded
from farthing.core.ledger import LedgerRow
from farthing.core.request import Dialect, Inbound
from farthing.wire.tools import provider_runs_tools

_REUSED: dict[str, Guarded] = {"exact": "cache", "normalised": "cache", "semantic": "semantic"}


def case_of(x: Exchange, row: LedgerRow, catalog: CatalogPort, judge: Target) -> Case | None:
    """The case of a request that was drawn; `None` when no lever was at work in it, or it must not be asked again."""
    inbound, served, drawn = x.inbound, x.target, (row.sampled or "").split(",")
    purpose = "shadow" if "shadow" in drawn else "judge"
    if purpose not in drawn or served is None or row.outcome != "ok" or not (x.answer_text or x.answer_calls) or not _may_be_asked(inbound):
        return None
    found = _under_test(x, served, row.cache, catalog)
    if found is None:
        return None
    lever, guarded, other = found
    tested_is_other = lever == "route" and served.tier == "expensive"
    if tested_is_other and purpose != "shadow":
        return None
    if not all(_allowed(inbound.principal.allowed_models, target) for target in (other, judge)):
        return None
    return Case(
        inbound=inbound,
        answer=Said(x.answer_text or "", x.answer_calls),
        served=served,
        purpose=purpose,
        lever=lever,
        guarded=guarded if not tested_is_other and _teaches(inbound, served, guarded) else None,
        other=other,
        tested_is_other=tested_is_other,
        tenant=row.tenant,
        tier=other.tier if tested_is_other else row.model_tier,
        cache="miss" if tested_is_other else row.cache,
    )


def _under_test(x: Exchange, served: Target, cache: str, catalog: CatalogPort) -> tuple[Saver, Guarded, Target] | None:
    """The lever that gave this answer, and who is asked the same. A reused answer is compared with what the caller would have got; one to a prompt
    of which something was left out with the answer to the whole one."""
    inbound = x.inbound
    named = not is_alias(inbound.peek.model)
    reused = _REUSED.get(cache)
    if reused is not None:
        other = _named(inbound, catalog) if named else catalog.baseline
        return None if other is None else ("cache", reused, other)
    left_out = cache != "coalesced" and any(one.lever == "diet" and one.action == LEFT_OUT for one in x.decisions)
    if left_out and named:
        other = _named(inbound, catalog)
        return None if other is None else ("diet", "lossy", other)
    if cache == "coalesced" or named:
        return None  # word for word another's answer; or the very model that was asked for
    if left_out and (tier := catalog.tier("expensive")):
        return "diet", "lossy", tier[0]
    tier = catalog.tier("cheap" if served.tier == "expensive" else "expensive")
    return ("route", "route", tier[0]) if tier else None


def _named(inbound: Inbound, catalog: CatalogPort) -> Target | None:
    try:
        return catalog.resolve(inbound.peek.model)
    except FarthingError:
        return None


def _teaches(inbound: Inbound, served: Target, guarded: Guarded) -> bool:
    """Whether the verdict is evidence on the lever. Not in an experiment. Not where a caller asked for the cheap tier by name: that is not the
    router's doing. Not where the cheap tier's answer is served again to the same question: its quality is the route's, judged when it was made."""
    if inbound.experiment is not None or (guarded == "route" and inbound.peek.model != AUTO):
        return False
    return guarded != "cache" or served.tier != "cheap"


def _may_be_asked(inbound: Inbound) -> bool:
    peek = inbound.peek
    if inbound.dialect is Dialect.EMBEDDINGS or inbound.no_store or peek.n > 1:
        return False
    may_have_tools = peek.has_tools or b"web_search_options" in inbound.body
    return not (peek.has_media or peek.stored_upstream or (may_have_tools and provider_runs_tools(inbound.dialect, inbound.body)))


def _allowed(patterns: tuple[str, ...] | None, target: Target) -> bool:
    names = (target.model, f"{target.service}/{target.model}")
    return patterns is None or any(fnmatchcase(name, pattern) for name in names for pattern in patterns)
