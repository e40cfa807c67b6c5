"""Services that point at an engine under `[local]` get its address."""

import msgspec

from farthing.config import Config, Local, Service


def addressed(config: Config) -> Config:
    """The same with `base_url` and `metrics_url` filled in where a service names an engine and leaves them open."""
    if not any(service.local in config.local for service in config.services.values()):
        return config
    services = {name: _filled(service, config.local.get(service.local or "")) for name, service in config.services.items()}
    return msgspec.structs.replace(config, services=services)


def _filled(service: Service, engine: Local | None) -> Service:
    if engine is None:
        return service
    root = f"http://127.0.0.1:{engine.port}"
    return msgspec.structs.replace(service, base_url=service.base_url or f"{root}/v1", metrics_url=service.metrics_url or f"{root}/metrics")
