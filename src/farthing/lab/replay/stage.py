"""A configuration made ready for a log: the models that the log names are served, whether the configuration knows them or not."""

from collections.abc import Iterable

import msgspec

from farthing.config import Config, Model, Service
from farthing.core.alias import is_alias
from farthing.core.errors import ModelNotFound
from farthing.core.request import Dialect
from farthing.models.catalog import Catalog
from farthing.models.services import dialects_of

UNKNOWN_SERVICE = "logged"
_ROW = Service(base_url="http://logged", responses=True)


def with_logged_models(config: Config, logged: Iterable[tuple[str | None, str]]) -> Config:
    """The same with a row for each (provider, model) that its catalog cannot find; as in the gateway, the provider's name decides the price."""
    services, models = dict(config.services), dict(config.models)
    catalog = Catalog(config)
    for provider, name in logged:
        if is_alias(name) or _serves(catalog, name):
            continue
        service = provider.lower() if provider and "/" not in provider else UNKNOWN_SERVICE
        services.setdefault(service, _ROW)
        models[name] = msgspec.structs.replace(models.get(name, Model()), service=service)
    return msgspec.structs.replace(config, services=services, models=models)


def unexplored(config: Config) -> Config:
    """The router without its exploration: what is replayed is what it would choose, and the log's own draws must not be drawn again."""
    learned = msgspec.structs.replace(config.route.learned, explore=0.0)
    return msgspec.structs.replace(config, route=msgspec.structs.replace(config.route, learned=learned))


def dialects_by_service(config: Config) -> dict[str, frozenset[Dialect]]:
    """What the configured services speak. One that the log alone names spoke what it was asked in."""
    return {name: dialects_of(service) for name, service in config.services.items()}


def _serves(catalog: Catalog, name: str) -> bool:
    try:
        catalog.resolve(name)
    except ModelNotFound:
        return False
    return True
