"""Where the gateway listens and remembers, and what it says of itself: `[server]`, `[store]`, `[log]`, `[telemetry]`."""

from typing import Annotated, Literal

from farthing.config.table import Positive, Share
from farthing.config.table import Table as _Table
from farthing.config.table import key as _key


class Server(_Table, frozen=True):
    """Where the gateway listens."""

    host: Annotated[str, _key("Address to listen on. Anything but loopback needs at least one virtual key.")] = "127.0.0.1"
    port: Annotated[int, _key("TCP port.", ge=0, le=65535)] = 8080
    workers: Annotated[int, _key("Processes that serve; they share the port and the store.", ge=1, le=256)] = 1
    grace_s: Annotated[float, _key("On SIGTERM: how long running answers may take to end.", ge=0)] = 30.0
    header_bytes: Annotated[int, _key("Largest request head.", ge=1024)] = 32768
    header_timeout_s: Annotated[float, _key("A client whose head is not whole by then, or that pauses as long in its body, is closed.", gt=0)] = 10.0
    max_in_flight: Annotated[int, _key("Requests served at once in one worker; more get 503 with Retry-After.", ge=1)] = 1024


class Store(_Table, frozen=True):
    """Where the ledger, keys and cache live: one SQLite file."""

    path: Annotated[str, _key("Path of the SQLite file; created when absent.")] = "farthing.db"
    durability: Annotated[
        Literal["process", "power"],
        _key("process: survives kill -9 of the gateway. power: survives power loss too, at about 3 ms a commit."),
    ] = "process"
    hash_tenants: Annotated[bool, _key("Write tenants to the ledger as hashes (end users always are). Limits and keys keep their names.")] = False
    key_pepper_env: Annotated[str, _key("Environment variable with the secret that keys are hashed with; unset: one kept in the store.")] = (
        "FARTHING_KEY_PEPPER"
    )


class Log(_Table, frozen=True):
    """Structured logs on stderr."""

    level: Annotated[Literal["debug", "info", "warning", "error"], _key("Least severe level written.")] = "info"
    format: Annotated[Literal["auto", "text", "json"], _key("auto: text on a terminal, JSON elsewhere.")] = "auto"


class Telemetry(_Table, frozen=True):
    """OpenTelemetry traces and metrics, sent to an OTLP/HTTP receiver (extra `otel`)."""

    endpoint: Annotated[str | None, _key("Base address of the receiver, such as http://127.0.0.1:4318; unset: off.")] = None
    headers_env: Annotated[str | None, _key("Environment variable with headers for it, as name=value,name=value.")] = None
    service_name: Annotated[str, _key("What this gateway is called there.")] = "farthing"
    traces: Annotated[Share, _key("Share of requests that are traced; a caller's traceparent decides for its own. Metrics count all.")] = 1.0
    metrics_interval_s: Annotated[Positive, _key("How often sums are sent.")] = 15.0
    content: Annotated[bool, _key("Send prompts and answers of the requests that sampling.log draws, redacted.")] = False
