"""Names of models to the services that serve them.

A name is looked for in this order: `service/model`; `[models."name"].service`; the shell patterns of the services, in the order of the
config; a service without patterns, for claude names one that speaks Anthropic's dialect, else the first that speaks OpenAI's.
Costs: 0.1 us for a name seen before.
"""

import difflib
from collections.abc import Iterable
from fnmatch import fnmatchcase

from farthing.config import Config
from farthing.core.alias import AUTO, PREFIX
from farthing.core.errors import ConfigError, ModelNotFound
from farthing.core.exchange import Target
from farthing.core.request import Dialect
from farthing.models.services import dialects_of

_SEEN_LIMIT = 4096
_WILD = frozenset("*?[")


class Catalog:
    """What this gateway serves. Built from one config; a reload builds another."""

    def __init__(self, config: Config) -> None:
        self._services = config.services
        self._models = config.models
        self._seen: dict[str, Target] = {}
        for name, model in config.models.items():
            if model.service is not None and model.service not in config.services:
                raise ConfigError(f"models.{name}.service is '{model.service}', which is no service. Configured: {_listed(config.services)}.")
        self._tiers = {
            "cheap": self._tier("cheap", config.tiers.cheap),
            "expensive": self._tier("expensive", config.tiers.expensive),
        }
        expensive = self._tiers["expensive"]
        named = config.tiers.baseline
        self.baseline: Target | None = self._configured("baseline", named) if named else (expensive[0] if expensive else None)

    def resolve(self, name: str) -> Target:
        """The service and its own name of the model. Raises ModelNotFound with the nearest names."""
        seen = self._seen.get(name)
        if seen is not None:
            return seen
        target = self._find(name)
        if target is None:
            raise ModelNotFound(name[:200], difflib.get_close_matches(name[:200], self.names(), n=3))
        if len(self._seen) < _SEEN_LIMIT:
            self._seen[name] = target
        return target

    def tier(self, name: str) -> tuple[Target, ...]:
        """Models of a tier in order of preference; empty when it has none."""
        return self._tiers.get(name, ())

    def names(self) -> list[str]:
        """What GET /v1/models lists: tiers first, then models by name. Services with open patterns serve more."""
        tiers = [f"{PREFIX}{tier}" for tier, targets in self._tiers.items() if targets]
        plain = [pattern for service in self._services.values() for pattern in service.models if not _WILD & set(pattern)]
        tiered = [self._shortest(target) for targets in self._tiers.values() for target in targets]
        concrete = {name for name in (*self._models, *plain, *tiered) if self._find(name) is not None}
        return [*([AUTO] if tiers else []), *tiers, *sorted(concrete)]

    def dialects(self, service: str) -> frozenset[Dialect]:
        """What the service speaks natively, as its row says; empty for an unknown one."""
        row = self._services.get(service)
        return dialects_of(row) if row is not None else frozenset()

    def _find(self, name: str) -> Target | None:
        service, slash, model = name.partition("/")
        if slash and model and service in self._services:
            return Target(service, model)
        known = self._models.get(name)
        if known is not None and known.service is not None:
            return Target(known.service, name)
        if not name or service == "farthing":
            return None
        for service, row in self._services.items():
            if any(fnmatchcase(name, pattern) for pattern in row.models):
                return Target(service, name)
        open_to_all = self._open_to_all(name)
        return Target(open_to_all, name) if open_to_all is not None else None

    def _open_to_all(self, name: str) -> str | None:
        wanted = ("anthropic", "openai") if name.startswith("claude") else ("openai",)
        rows = [(service, row.dialect) for service, row in self._services.items() if not row.models]
        fitting = (service for dialect in wanted for service, spoken in rows if spoken == dialect)
        return next(fitting, rows[0][0] if len(rows) == 1 else None)

    def _shortest(self, target: Target) -> str:
        found = self._find(target.model)
        return target.model if found is not None and found.service == target.service else f"{target.service}/{target.model}"

    def _tier(self, tier: str, names: Iterable[str]) -> tuple[Target, ...]:
        return tuple(Target(target.service, target.model, tier) for target in (self._configured(tier, name) for name in names))

    def _configured(self, key: str, name: str) -> Target:
        target = self._find(name)
        if target is None:
            raise ConfigError(f"tiers.{key} names '{name}', which no service serves. Configured services: {_listed(self._services)}.")
        return target


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
