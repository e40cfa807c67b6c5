"""OpenTelemetry: a trace and metrics of every settled request, by the GenAI conventions, to an OTLP/HTTP receiver.

Guarantees: nothing is imported and nothing is kept while `telemetry.endpoint` is unset. A request hands over its facts and goes on: one thread of
each worker turns them into spans and sums, and sends them in batches. A slow or absent receiver costs telemetry, never a request: what does not fit
the queue or is not taken is dropped and counted (`farthing_telemetry_dropped_total`). On drain the thread sends what it has, within the grace time.
No prompt and no answer leaves, unless `telemetry.content` says so; then those of the requests that `sampling.log` draws, redacted.
Costs: 1 us of the request, 0.15 ms of CPU in the thread (bench/metrics.py).
Off: `telemetry.endpoint` unset, the default.
"""

import importlib.util
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from farthing.config import Config
from farthing.config import Telemetry as Wanted
from farthing.core.clock import Clock
from farthing.core.errors import ConfigError

if TYPE_CHECKING:
    from farthing.measure.otel.telemetry import Telemetry

INSTALL = "pip install 'farthing[otel]'"


def headers_from(wanted: Wanted, environ: Mapping[str, str]) -> dict[str, str]:
    """The headers that the configuration names. Raises `ConfigError`; its message never holds a value."""
    if wanted.headers_env is None:
        return {}
    given = environ.get(wanted.headers_env)
    if not given:
        raise ConfigError(f"telemetry.headers_env names {wanted.headers_env}, which is not set. Set it to 'name=value,name=value'.")
    pairs = [pair.partition("=") for pair in given.split(",") if pair.strip()]
    if not all(name.strip() and value.strip() for name, _, value in pairs):
        raise ConfigError(f"{wanted.headers_env} must read 'name=value,name=value' (telemetry.headers_env).")
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def require(wanted: Wanted, environ: Mapping[str, str]) -> None:
    """Raises `ConfigError` for telemetry that is wanted and cannot be had."""
    if wanted.endpoint is None:
        return
    if not wanted.endpoint.startswith(("http://", "https://")):
        raise ConfigError(f"telemetry.endpoint is {wanted.endpoint!r}; expected an OTLP/HTTP address such as http://127.0.0.1:4318.")
    if not _installed():
        raise ConfigError(f"telemetry.endpoint is set, but OpenTelemetry is not installed: {INSTALL}. Or remove telemetry.endpoint.")
    headers_from(wanted, environ)


def begin(config: Config, environ: Mapping[str, str], *, worker: int, clock: Clock, on_dropped: Callable[[str, int], None]) -> "Telemetry | None":
    """The listener at work; `None`, and nothing imported, where the configuration wants none. Raises `ConfigError`."""
    if config.telemetry.endpoint is None:
        return None
    require(config.telemetry, environ)
    from farthing.measure.otel.telemetry import Telemetry

    telemetry = Telemetry(config, environ, worker=worker, clock=clock, on_dropped=on_dropped)
    telemetry.start()
    return telemetry


def _installed() -> bool:
    try:
        return all(importlib.util.find_spec(f"opentelemetry.{part}") for part in ("sdk", "exporter.otlp.proto.http"))
    except ModuleNotFoundError:
        return False
