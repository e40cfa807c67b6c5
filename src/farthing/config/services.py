"""Who answers: `[services]`, `[models]`, `[tiers]`, `[resilience]`."""

from typing import Annotated, Literal

from farthing.config.table import Count, NotNegative, Positive
from farthing.config.table import Table as _Table
from farthing.config.table import key as _key


class Service(_Table, frozen=True):
    """One model service: a row, not code."""

    dialect: Annotated[Literal["openai", "anthropic", "recorded"], _key("What it speaks.")] = "openai"
    base_url: Annotated[str, _key("Base URL, with the version path: https://api.openai.com/v1")] = ""
    local: Annotated[str | None, _key("Name under [local]: address and metrics page are those of the engine that runs here.")] = None
    api_key_env: Annotated[str | None, _key("Environment variable that holds its key; none for keyless local servers.")] = None
    auth: Annotated[
        Literal["bearer", "api-key", "x-api-key"], _key("Header that carries the key: Authorization: Bearer, api-key (Azure), x-api-key (Anthropic).")
    ] = "bearer"
    query: Annotated[str, _key("Query string for every call, such as api-version=2024-10-21 (Azure).")] = ""
    models: Annotated[tuple[str, ...], _key("Models it serves, as shell patterns; empty: any name that no other service claims.")] = ()
    responses: Annotated[bool, _key("It has /responses as well (OpenAI itself does, most others do not).")] = False
    recordings: Annotated[tuple[str, ...], _key("recorded only: JSONL or Parquet files with exchanges.")] = ()
    playback: Annotated[Literal["instant", "timed"], _key("recorded only: answer at once, or with the recorded timing.")] = "instant"
    connect_timeout_s: Annotated[float, _key("TCP and TLS set-up.", gt=0)] = 5.0
    first_byte_timeout_s: Annotated[float, _key("From the request sent to the head of the answer.", gt=0)] = 60.0
    idle_timeout_s: Annotated[float, _key("Longest silence within an answer.", gt=0)] = 30.0
    max_connections: Annotated[int, _key("Connections kept to it by one worker.", ge=1)] = 256
    max_answer_bytes: Annotated[int, _key("Largest whole answer or single event taken from it.", ge=1024)] = 33_554_432
    metrics_url: Annotated[str | None, _key("Its Prometheus page (vLLM, SGLang, llama.cpp, TGI, DCGM): queue and GPU figures for the dashboard.")] = (
        None
    )
    max_waiting: Annotated[
        Count | None,
        _key("Requests waiting here (at_once) and in its queue (metrics_url), from which on it gets no more; then the tier's next model, or 503."),
    ] = None
    at_once: Annotated[
        Count | Literal["measured", "unbounded"] | None,
        _key("Calls at work there; others wait here, in an order. A number, measured, or unbounded. Default: measured, up to the slots of `local`."),
    ] = None
    batch: Annotated[bool, _key("It takes batches as OpenAI or Anthropic do; background items go there in groups. It may take a day.")] = False
    batch_price: Annotated[float, _key("What a call in such a batch costs, as a share of the model's price.", gt=0, le=1)] = 0.5
    ca_file: Annotated[str | None, _key("PEM file of the authority that signed its certificate; default: the system's.")] = None


class Model(_Table, frozen=True):
    """What we know of one model beyond the price list."""

    service: Annotated[str | None, _key("Service that serves it.")] = None
    input_usd_per_mtok: Annotated[NotNegative | None, _key("USD per million input tokens; overrides the price list.")] = None
    output_usd_per_mtok: Annotated[NotNegative | None, _key("USD per million output tokens.")] = None
    cached_usd_per_mtok: Annotated[NotNegative | None, _key("USD per million cached input tokens.")] = None
    cache_write_usd_per_mtok: Annotated[NotNegative | None, _key("USD per million tokens written to the provider's prompt cache.")] = None
    machine_usd_per_hour: Annotated[
        Positive | None,
        _key("Self-hosted: what the machine costs an hour. With both throughputs it is the price, in place of USD per million tokens."),
    ] = None
    input_tokens_per_s: Annotated[Positive | None, _key("Self-hosted: measured prompt tokens a second of the whole machine under load.")] = None
    output_tokens_per_s: Annotated[Positive | None, _key("Self-hosted: measured output tokens a second of the whole machine under load.")] = None
    quantized_from: Annotated[
        str | None, _key("Model, as service/model or model, that this one is a quantization of; the price difference is saved by it.")
    ] = None
    max_output_tokens: Annotated[Count | None, _key("Most it can write; bounds the reservation when a caller sets no limit.")] = None


class Tiers(_Table, frozen=True):
    """Which models are cheap and which are dear. Within a tier: in order of preference, the next one on failure."""

    cheap: Annotated[tuple[str, ...], _key("Models as service/model or model.")] = ()
    expensive: Annotated[tuple[str, ...], _key("Models as service/model or model.")] = ()
    baseline: Annotated[str | None, _key("What you would call without Farthing; savings are counted against it. Default: first expensive model.")] = (
        None
    )
    failover: Annotated[bool, _key("Try the tier's next model when one fails before its first byte.")] = True


class Resilience(_Table, frozen=True):
    """Retries and breakers."""

    attempts: Annotated[int, _key("Tries for one call, the first included; none after the first byte.", ge=1, le=5)] = 2
    retry_ratio: Annotated[float, _key("Retries may add at most this share of requests (a token bucket per service).", ge=0, le=1)] = 0.2
    breaker_failures: Annotated[int, _key("Failures in a row that open the breaker of a service.", ge=1)] = 10
    breaker_rest_s: Annotated[float, _key("How long it stays open.", gt=0)] = 5.0
    deadline_s: Annotated[float, _key("No request lives longer.", gt=0)] = 600.0
    hedge_after_s: Annotated[Positive | None, _key("Send a second copy of a whole call that has no answer by then; unset: never.")] = None
