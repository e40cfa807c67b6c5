"""What the dashboard must know of the configuration to read the store: limits, thresholds, how tenants are written down."""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from farthing.config import Config
from farthing.core.engine import Load
from farthing.core.request import KeyLimits


class KeyFacts(msgspec.Struct, frozen=True):
    """One virtual key, as budgets need it."""

    name: str
    tenant: str
    limits: KeyLimits


class Facts(msgspec.Struct, frozen=True):
    config: Config
    keys: Mapping[str, KeyFacts] = {}
    tenant_on_record: Callable[[str], str] = str
    loads: Mapping[str, Load] = {}

    def limits_of(self, kind: str, name: str) -> KeyLimits:
        """The limits of a meter's subject: "key", "tenant" or "user"."""
        limits = self.config.limits
        if kind == "tenant":
            return limits.tenant.get(name) or limits.tenant.get("*") or _UNLIMITED
        if kind == "key":
            own = self.keys[name].limits if name in self.keys else _UNLIMITED
            return _first(own, limits.key)
        return limits.user if kind == "user" else _UNLIMITED

    def title(self, kind: str, name: str) -> str:
        if kind == "key" and name in self.keys:
            return f"key {self.keys[name].name}"
        return f"{kind} {name}"

    def tenant_of_key(self, kind: str, name: str) -> str | None:
        return self.tenant_on_record(self.keys[name].tenant) if kind == "key" and name in self.keys else None

    def thresholds(self) -> tuple[tuple[str, float], ...]:
        """Where rules part the easy from the hard."""
        rules = self.config.route.rules or ()
        found = {rule.when.complexity_below for rule in rules if rule.when.complexity_below is not None}
        return tuple((f"threshold {value:g}", value) for value in sorted(found))


def _first(own: KeyLimits, default: KeyLimits) -> KeyLimits:
    names: Iterable[str] = KeyLimits.__struct_fields__
    return KeyLimits(**{name: getattr(own, name) if getattr(own, name) is not None else getattr(default, name) for name in names})


_UNLIMITED = KeyLimits()
