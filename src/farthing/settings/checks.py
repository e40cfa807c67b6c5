"""What the types cannot say: names that must point at something. Each mistake is one line with its key and the fix."""

from collections.abc import Iterator, Mapping

from farthing.config import Config
from farthing.core.decision import SWITCHABLE
from farthing.core.errors import ConfigError
from farthing.models.catalog import Catalog
from farthing.settings.decode import nearest

_NEEDS = {"openai": "base_url", "anthropic": "base_url", "recorded": "recordings"}


def mistakes(config: Config) -> tuple[str, ...]:
    """Everything that would fail later, in the order of the file."""
    return (*_services(config), *_names(config), *_rules(config), *_endpoints(config))


def unset_variables(config: Config, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Services whose key is named but not there: `services.groq.api_key_env: GROQ_API_KEY is not set`."""
    return tuple(
        f"services.{name}.api_key_env: the environment variable {service.api_key_env} is not set"
        for name, service in config.services.items()
        if service.api_key_env and not environ.get(service.api_key_env)
    )


def _services(config: Config) -> Iterator[str]:
    for name, service in config.services.items():
        needed = _NEEDS[service.dialect]
        if not getattr(service, needed):
            yield f"services.{name}.{needed} is missing; a service of dialect '{service.dialect}' needs it."
        if service.base_url and not service.base_url.startswith(("http://", "https://")):
            yield f"services.{name}.base_url is {service.base_url!r}; expected http:// or https://, host and version path."
        if "/" in name or not name:
            yield f"services.{name!r}: a service's name may not hold a slash; tiers name models as service/model."


def _names(config: Config) -> Iterator[str]:
    """Tiers and models that point at services."""
    try:
        Catalog(config)
    except ConfigError as mistake:
        yield mistake.message


def _rules(config: Config) -> Iterator[str]:
    tiers = {"cheap": config.tiers.cheap, "expensive": config.tiers.expensive}
    for row, rule in enumerate(config.route.rules or ()):
        if not tiers[rule.tier]:
            yield f"route.rules[{row}] ('{rule.name}') sends requests to the {rule.tier} tier, but tiers.{rule.tier} is empty. Name a model there."
    if any(tiers.values()) and not tiers[config.route.otherwise]:
        yield f"route.otherwise is '{config.route.otherwise}', but tiers.{config.route.otherwise} is empty. Name a model there."


def _endpoints(config: Config) -> Iterator[str]:
    for name, endpoint in config.endpoints.items():
        for lever in endpoint.levers_off:
            if lever not in SWITCHABLE:
                yield f"endpoints.{name}.levers_off names '{lever}', which is no lever. {_choose(lever, SWITCHABLE)}"


def _choose(given: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    near = nearest(given, known)
    return f"Did you mean '{near}'?" if near else f"Known: {', '.join(known) or 'none'}."
