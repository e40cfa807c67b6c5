"""Route: which model answers. The contract is in `base`, the rules in `rules`."""

from collections.abc import Callable
from fnmatch import fnmatchcase

from farthing.brain.ports import CatalogPort
from farthing.brain.route.base import Routed
from farthing.brain.route.equals import Equals
from farthing.brain.route.rules import DEFAULT_RULES, leaves_open, pick_tier
from farthing.brain.route.sticky import Sessions
from farthing.config import Config
from farthing.core.alias import ALIASES, AUTO, PREFIX, is_alias
from farthing.core.decision import Decision
from farthing.core.errors import ModelNotFound, NotPermitted, TierEmpty
from farthing.core.exchange import Signals, Target, TierName
from farthing.core.request import Dialect, Inbound

__all__ = ["DEFAULT_RULES", "Equals", "Routed", "Router", "Sessions", "pick_tier"]

_AFFINITY_CHARS = 500
_AGENT_DIALECTS = (Dialect.MESSAGES, Dialect.RESPONSES)

Healthy = Callable[[Target], bool]


class Router:
    """Turns a model name and signals into targets. Holds nothing but which session talks to which model, which outlives a reload."""

    def __init__(self, config: Config, catalog: CatalogPort, sessions: Sessions | None = None, equals: Equals | None = None) -> None:
        self._config = config
        self._catalog = catalog
        self._rules = DEFAULT_RULES if config.route.rules is None else config.route.rules
        self._refines = config.route.asked.model is not None or (config.route.learned.enabled and config.route.learned.artefact is not None)
        self.equals = Equals() if equals is None else equals
        self.sessions = Sessions(keep_s=config.route.sticky_s) if sessions is None else sessions

    def route(self, inbound: Inbound, signals: Signals, *, now: float, healthy: Healthy) -> Routed:
        """Where to send this request. `now` is monotonic. Raises `ModelNotFound`, `TierEmpty` or `NotPermitted`."""
        name = inbound.peek.model
        if not is_alias(name):
            return self._named(inbound, name)
        if name not in ALIASES:
            raise ModelNotFound(name, ALIASES)
        sticky = self._keeps_model(inbound)
        session = inbound.session or ""
        kept = self.sessions.get(inbound.tenant, session, now=now) if sticky else None
        routed = self._tier(inbound, signals, name, kept)
        routed = self._order(routed if kept is not None else self._arrange(inbound, routed), healthy)
        if sticky:
            self.sessions.put(inbound.tenant, session, routed.targets[0], now=now)
        return routed

    def answered(self, inbound: Inbound, target: Target, *, now: float) -> None:
        """Tell the router who answered after a failover, so that the session stays there."""
        if self._keeps_model(inbound) and is_alias(inbound.peek.model):
            self.sessions.put(inbound.tenant, inbound.session or "", target, now=now)

    def _named(self, inbound: Inbound, name: str) -> Routed:
        target = self._catalog.resolve(name)
        patterns = inbound.principal.allowed_models
        if patterns is not None and not _allows(patterns, name) and not _allows_target(patterns, target):
            raise _not_permitted(name, patterns)
        return Routed((target,), Decision("route", "kept", f"the caller named {name}"))

    def _tier(self, inbound: Inbound, signals: Signals, name: str, kept: Target | None) -> Routed:
        patterns = inbound.principal.allowed_models
        if patterns is not None and _allows(patterns, name):
            patterns = None  # the alias itself is allowed, and with it whatever it leads to
        if name == AUTO:
            return self._auto(inbound, signals, kept, patterns)
        tier = name.removeprefix(PREFIX)
        targets = self._catalog.tier(tier)
        if not targets:
            raise TierEmpty(f"Tier '{tier}' has no models. Set `tiers.{tier}`, or name a model; GET /v1/models lists them.", param="model")
        allowed = _permitted(targets, patterns)
        if not allowed:
            raise _not_permitted(name, patterns or ())
        if kept in allowed:
            return Routed(_first(kept, allowed), Decision("route", "sticky", f"session keeps {kept.model}"))
        return Routed(allowed, Decision("route", tier, f"the caller asked for tier {tier}"))

    def _auto(self, inbound: Inbound, signals: Signals, kept: Target | None, patterns: tuple[str, ...] | None) -> Routed:
        if "route" in inbound.levers_off or "route" in self._config.endpoint(inbound.endpoint).levers_off:
            return self._baseline(patterns)
        if kept is not None:
            tier = self._catalog.tier(kept.tier)
            if kept in tier and _permitted((kept,), patterns):
                return Routed(_first(kept, _permitted(tier, patterns)), Decision("route", "sticky", f"session keeps {kept.model}"))
        tier_name, decision = pick_tier(signals, inbound, self._rules, self._config.route.otherwise)
        targets = _permitted(self._catalog.tier(tier_name), patterns)
        if not targets:
            return self._other(tier_name, decision, patterns)
        return Routed(targets, decision, open=self._refines and leaves_open(signals, inbound, self._rules))

    def settle_on(self, inbound: Inbound, tier: TierName, decision: Decision, *, model: str, now: float, healthy: Healthy) -> Routed:
        """Targets of the tier that a learned router chose for a request that was left open; the model it was trained for first.

        A cheap model that is not to be had here is replaced by the expensive tier: no other was certified in its place.
        """
        patterns = inbound.principal.allowed_models
        if patterns is not None and _allows(patterns, AUTO):
            patterns = None
        targets, named = self._holding(model, tier, patterns)
        if named is None and tier == "cheap" and model not in ("", tier):
            tier, targets = "expensive", _permitted(self._catalog.tier("expensive"), patterns)
            decision = Decision("route", tier, f"{decision.reason}; {model} may not be used here", failed_open=True)
        routed = Routed(targets if named is None else _first(named, targets), decision) if targets else self._other(tier, decision, patterns)
        routed = self._order(self._arrange(inbound, routed), healthy)
        self.answered(inbound, routed.targets[0], now=now)
        return routed

    def _holding(self, model: str, tier: TierName, patterns: tuple[str, ...] | None) -> tuple[tuple[Target, ...], Target | None]:
        """The targets of the tier that lists this model, the chosen one before the other, and the model among them."""
        chosen = _permitted(self._catalog.tier(tier), patterns)
        for targets in (chosen, _permitted(self._catalog.tier("cheap" if tier == "expensive" else "expensive"), patterns)):
            for target in targets:
                if model in (target.model, f"{target.service}/{target.model}"):
                    return targets, target
        return chosen, None

    def _baseline(self, patterns: tuple[str, ...] | None) -> Routed:
        """The lever is off: what the caller would use without us, the expensive tier behind it."""
        expensive = self._catalog.tier("expensive")
        baseline = self._catalog.baseline
        targets = expensive if baseline is None else _first(baseline, expensive)
        allowed = _permitted(targets, patterns)
        if allowed:
            return Routed(allowed, Decision("route", "baseline", f"lever is off: {allowed[0].model}"))
        return self._other("expensive", Decision("route", "baseline", "lever is off"), patterns)

    def _other(self, tier_name: TierName, decision: Decision, patterns: tuple[str, ...] | None) -> Routed:
        """The chosen tier has nothing for this key: take the other one rather than fail, and say so."""
        other = "cheap" if tier_name == "expensive" else "expensive"
        targets = self._catalog.tier(other)
        empty = not self._catalog.tier(tier_name)
        if not targets and empty:
            text = f"No tier has models, so '{AUTO}' leads nowhere."
            raise TierEmpty(f"{text} Set `tiers.cheap` and `tiers.expensive`, or name a model; GET /v1/models lists them.", param="model")
        allowed = _permitted(targets, patterns)
        if not allowed:
            raise _not_permitted(AUTO, patterns or ())
        why = f"`tiers.{tier_name}` is empty" if empty else f"the key allows no model of tier {tier_name}"
        return Routed(allowed, Decision("route", other, f"{decision.reason}; {why}", failed_open=True))

    def _arrange(self, inbound: Inbound, routed: Routed) -> Routed:
        """Services of the same model by how quick they are, one session or system prompt with one of them."""
        if len(routed.targets) == 1:
            return routed
        affinity = f"{inbound.tenant}\0{inbound.session or inbound.peek.system_text[:_AFFINITY_CHARS] or inbound.request_id}"
        return Routed(self.equals.arrange(routed.targets, affinity), routed.decision, routed.open)

    def _order(self, routed: Routed, healthy: Healthy) -> Routed:
        """Resting services last; without failover only one target."""
        targets = routed.targets
        if len(targets) == 1:
            return routed
        if not self._config.tiers.failover:
            return Routed(targets[:1], routed.decision, routed.open)
        resting = tuple(target for target in targets if not healthy(target))
        if not resting:
            return routed
        return Routed((*(target for target in targets if target not in resting), *resting), routed.decision, routed.open)

    def _keeps_model(self, inbound: Inbound) -> bool:
        """Agents: a session is known, and tools are in play or bodies pass untouched."""
        if not inbound.session or self._config.route.sticky_s <= 0:
            return False
        if inbound.peek.has_tools:
            return True
        profile = self._config.endpoint(inbound.endpoint).profile
        return profile == "transparent" or (profile == "auto" and inbound.dialect in _AGENT_DIALECTS)


def _allows(patterns: tuple[str, ...], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _allows_target(patterns: tuple[str, ...], target: Target) -> bool:
    return _allows(patterns, target.model) or _allows(patterns, f"{target.service}/{target.model}")


def _permitted(targets: tuple[Target, ...], patterns: tuple[str, ...] | None) -> tuple[Target, ...]:
    return targets if patterns is None else tuple(target for target in targets if _allows_target(patterns, target))


def _first(target: Target, rest: tuple[Target, ...]) -> tuple[Target, ...]:
    return (target, *(other for other in rest if other != target))


def _not_permitted(name: str, patterns: tuple[str, ...]) -> NotPermitted:
    listed = ", ".join(patterns) or "none"
    return NotPermitted(f"This key may not use '{name}'. It allows: {listed}. Ask for one of these, or make a key that allows it.", param="model")
