"""The configuration: one typed tree, from `farthing.toml` and the environment.

Every key carries its description (`farthing config show --describe` prints them). An unknown key is an error that names the
nearest known one. Secrets are named by environment variable, never written here.
"""

from typing import Annotated, Literal

from msgspec import Meta

from farthing.core.request import KeyLimits
from farthing.flow_tables import Flow
from farthing.semantic_config import Semantic
from farthing.table import Table as _Table
from farthing.table import key as _key

Share = Annotated[float, Meta(ge=0, le=1)]
NotNegative = Annotated[float, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
Ratio = Annotated[float, Meta(gt=0, le=1)]
Count = Annotated[int, Meta(ge=1)]


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


class Service(_Table, frozen=True):
    """One model service: a row, not code."""

    dialect: Annotated[Literal["openai", "anthropic", "recorded"], _key("What it speaks.")] = "openai"
    base_url: Annotated[str, _key("Base URL, with the version path: https://api.openai.com/v1")] = ""
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


class Match(_Table, frozen=True):
    """Conditions of a rule; all that are set must hold."""

    domain: Annotated[tuple[str, ...] | None, _key("metadata.domain of the request, or the classifier's.")] = None
    risk: Annotated[tuple[Literal["low", "medium", "high"], ...] | None, _key("Risk level.")] = None
    tenant_tier: Annotated[tuple[str, ...] | None, _key("Tier of the tenant, such as enterprise.")] = None
    tenant: Annotated[tuple[str, ...] | None, _key("Tenants.")] = None
    endpoint: Annotated[tuple[str, ...] | None, _key("Endpoints.")] = None
    task: Annotated[tuple[str, ...] | None, _key("Task types.")] = None
    language: Annotated[tuple[str, ...] | None, _key("Languages, ISO 639-1.")] = None
    needs_documents: Annotated[bool | None, _key("Whether the question needs documents.")] = None
    query_tokens_below: Annotated[Count | None, _key("Last user turn shorter than this.")] = None
    input_tokens_below: Annotated[Count | None, _key("Whole input shorter than this.")] = None
    complexity_below: Annotated[Share | None, _key("Complexity under this.")] = None


class Rule(_Table, frozen=True):
    """One routing rule; the first that matches decides."""

    name: Annotated[str, _key("Shown in the decision.")]
    tier: Annotated[Literal["cheap", "expensive"], _key("Where matching requests go.")]
    when: Annotated[Match, _key("Conditions.")] = Match()
    min_confidence: Annotated[float, _key("Classifier confidence below this falls back to expensive.", ge=0, le=1)] = 0.0
    decides: Annotated[bool, _key("false: only advice, which a learned router may overrule.")] = True


class LearnedRoute(_Table, frozen=True):
    """A router trained on graded answers (`farthing router train`), inside what the rules leave open."""

    artefact: Annotated[str | None, _key("File of the router in place; unset: rules only.")] = None
    enabled: Annotated[bool, _key("false: rules only, whatever the file says.")] = True
    cascade: Annotated[bool, _key("Let it read cheap answers before they are served; streams then wait for the whole answer.")] = True
    explore: Annotated[float, _key("Most of what it sends to the expensive tier that may go cheap to learn, within the floor.", ge=0, le=0.2)] = 0.0


class AskedRoute(_Table, frozen=True):
    """A cheap model that says how hard a request is, in one token. Its cost is charged to routing."""

    model: Annotated[str | None, _key("Model as service/model or model; unset: nobody is asked.")] = None
    easy_up_to: Annotated[int, _key("Difficulty from 1 to 5 that still goes to the cheap tier.", ge=1, le=5)] = 2
    grey_gap: Annotated[float, _key("With a learned router: asked only where its gap is this near the cut, and only able to say no.", ge=0)] = 0.02


class Route(_Table, frozen=True):
    """How `farthing/auto` picks a tier."""

    rules: Annotated[tuple[Rule, ...] | None, _key("First match wins; unset: the shipped defaults (docs/levers/route.md).")] = None
    otherwise: Annotated[Literal["cheap", "expensive"], _key("Tier when no rule matches.")] = "expensive"
    learned: Annotated[LearnedRoute, _key("The learned router.")] = LearnedRoute()
    asked: Annotated[AskedRoute, _key("A model as router.")] = AskedRoute()
    sticky_s: Annotated[float, _key("A session keeps its model for this long after its last call; 0: off.", ge=0)] = 3600.0


class Cache(_Table, frozen=True):
    """Reuse of answers."""

    enabled: Annotated[bool, _key("Serve and store.")] = True
    ttl_s: Annotated[float, _key("Age at which an entry dies.", gt=0)] = 86400.0
    max_mb: Annotated[float, _key("Memory for answers in one worker; the least valuable go first.", gt=0)] = 32.0
    max_entry_kb: Annotated[float, _key("Answers larger than this are not kept.", gt=0)] = 64.0
    max_temperature: Annotated[float, _key("Hotter requests are not reused.", ge=0)] = 0.3
    coalesce: Annotated[bool, _key("Identical requests in flight share one upstream call.")] = True
    semantic: Annotated[Semantic, _key("Reuse by meaning.")] = Semantic()


class Diet(_Table, frozen=True):
    """Sending fewer tokens that say the same. Exact rules only; a user's own words are never touched."""

    enabled: Annotated[bool, _key("Apply the rules.")] = True
    rules: Annotated[
        tuple[Literal["whitespace", "markdown", "json", "csv", "html", "log", "duplicates", "boilerplate"], ...],
        _key("Rules that act, each where it saves tokens (docs/levers/diet.md)."),
    ] = ("whitespace", "markdown", "json", "csv", "html", "log", "duplicates", "boilerplate")
    boilerplate: Annotated[
        tuple[str, ...] | None, _key("Phrases; a line of a document that says nothing else is dropped. Unset: the shipped ones.")
    ] = None
    min_tokens: Annotated[int, _key("Prompts shorter than this are not looked at.", ge=0)] = 100


class Retrieve(_Table, frozen=True):
    """Documents: how they are cut, and how much of them is sent."""

    chunk_tokens: Annotated[int, _key("Largest chunk of a document; a change needs `farthing docs reindex`.", ge=32, le=240)] = 170
    overlap_tokens: Annotated[int, _key("How much of a chunk's end begins the next one.", ge=0, le=120)] = 30
    max_file_mb: Annotated[float, _key("Larger files are not taken in.", gt=0)] = 32.0
    parse_cpu_s: Annotated[int, _key("Processor time that reading one file may take.", ge=1)] = 60
    budget_tokens: Annotated[int, _key("Most tokens of documents in one prompt.", ge=32)] = 700

    @property
    def chunking(self) -> str:
        """Chunks cut the same way carry the same word."""
        return f"{self.chunk_tokens}+{self.overlap_tokens} tokens"


class Caps(_Table, frozen=True):
    """Limits of one endpoint. Crossing a target is recorded; reaching an absolute one ends the answer gracefully."""

    max_calls_per_run: Annotated[Count | None, _key("Model calls that one run (x-farthing-run) may make.")] = None
    target_latency_s: Annotated[Positive | None, _key("Recorded when crossed.")] = None
    absolute_latency_s: Annotated[Positive | None, _key("The answer is cut here, with what there is.")] = None
    target_tokens: Annotated[Count | None, _key("Input and output together; recorded when crossed.")] = None
    absolute_tokens: Annotated[Count | None, _key("Input and output together; the answer is cut here.")] = None
    max_usd: Annotated[Positive | None, _key("Most that one request may cost; dearer quotes are refused.")] = None
    max_usd_per_run: Annotated[Positive | None, _key("Most that one run may cost.")] = None


class Output(_Table, frozen=True):
    """How long answers are. What a caller says itself always wins."""

    rule: Annotated[str | None, _key("Put at the end of the system prompt: 'at most 5 bullets', 'at most 150 words'.")] = None
    tasks: Annotated[dict[str, str], _key("Rules by task type, in place of `rule`: { summarize = 'at most 80 words' }.")] = {}
    control_share: Annotated[Share, _key("Share of runs that go without the rule, so that what it saves is measured and not guessed.")] = 0.05
    learn_limit: Annotated[
        bool, _key("Where the caller sets no output limit: the length that 99 % of the last answers here stayed within, and a margin.")
    ] = False
    limit_margin: Annotated[NotNegative, _key("What is put on top of it, as a share: 0.5 for half as much again.")] = 0.5
    stop: Annotated[tuple[str, ...], _key("Stop sequences where the caller has none.")] = ()
    cut_repeats: Annotated[bool, _key("End a stream that only repeats itself.")] = True


class Endpoint(_Table, frozen=True):
    """One product feature: its caps and its levers."""

    profile: Annotated[Literal["auto", "transparent", "saver"], _key("transparent: body untouched; saver: every lever; auto: by dialect.")] = "auto"
    caps: Annotated[Caps, _key("Limits.")] = Caps()
    temperature: Annotated[NotNegative | None, _key("What a missing temperature means here; unset: the provider's default (1.0).")] = None
    learned: Annotated[Literal["auto", "route", "off"], _key("Learned router here: auto, route (no answer is read), or off (rules only).")] = "auto"
    levers_off: Annotated[tuple[str, ...], _key("Levers that never act here: cache, route, diet, retrieve, output, check.")] = ()
    collection: Annotated[str | None, _key("Documents (`farthing docs add`) that questions here are answered from; each tenant's own.")] = None
    model: Annotated[str | None, _key("Model for /v1/ask when the caller names none.")] = None
    system: Annotated[str | None, _key("System prompt of /v1/ask.")] = None
    max_output_tokens: Annotated[Count | None, _key("Output limit when the caller sets none.")] = None
    output: Annotated[Output, _key("How long answers are.")] = Output()
    quality_floor: Annotated[
        Ratio | None,
        _key("Least quality of what levers give here, as a share of the expensive tier's: 0.97. A lever that breaks it is turned down."),
    ] = None
    value_usd: Annotated[NotNegative | None, _key("What one interaction (run) is worth in USD; `farthing report` shows the margin.")] = None


class Limits(_Table, frozen=True):
    """Bounds on what a request may hold, and how fast it may come."""

    body_bytes: Annotated[int, _key("Largest body.", ge=1024)] = 20_971_520
    json_depth: Annotated[int, _key("Deepest nesting.", ge=4, le=512)] = 64
    messages: Annotated[int, _key("Most messages in one request.", ge=1)] = 2048
    input_tokens: Annotated[Count | None, _key("Longest input.")] = None
    key: Annotated[KeyLimits, _key("Default for every virtual key that sets none of its own.")] = KeyLimits()
    tenant: Annotated[dict[str, KeyLimits], _key("By tenant; '*' is the default.")] = {}
    user: Annotated[KeyLimits, _key("For every end user.")] = KeyLimits()


class Check(_Table, frozen=True):
    """What happens to an answer before it counts."""

    schema: Annotated[bool, _key("Validate answers where the caller gave a JSON schema; repair, then escalate.")] = True
    repair_call: Annotated[bool, _key("Allow one cheap call to repair an invalid answer.")] = True
    escalate: Annotated[bool, _key("Ask the expensive tier when repair fails.")] = True


class GuardRow(_Table, frozen=True):
    """One guardrail: a linear-time pattern and what to do when it matches."""

    name: Annotated[str, _key("Shown in the decision and the error.")]
    pattern: Annotated[str, _key("RE2 pattern.")]
    where: Annotated[Literal["input", "output", "both"], _key("What is read.")] = "both"
    action: Annotated[Literal["block", "redact"], _key("Refuse, or replace the match.")] = "block"


class Guard(_Table, frozen=True):
    """Guardrails."""

    rows: Annotated[tuple[GuardRow, ...], _key("Patterns, in order.")] = ()
    redact_upstream: Annotated[bool, _key("Remove personal data before a prompt leaves for a model (it is always removed before logging).")] = False
    max_answer_chars: Annotated[Count | None, _key("Longest answer; longer ones are cut and say so.")] = None


class Sampling(_Table, frozen=True):
    """Shares of traffic, drawn by hash of the request id, so that a draw can be repeated."""

    log: Annotated[Share, _key("Share whose prompt and answer are written to the ledger, redacted.")] = 0.0
    judge: Annotated[Share, _key("Share marked for the judge.")] = 0.0
    shadow: Annotated[Share, _key("Share marked for a shadow call.")] = 0.0


class QualityShare(_Table, frozen=True):
    """Shares of the answers that meet its conditions, in place of those under [sampling]; the first that matches decides."""

    endpoint: Annotated[tuple[str, ...] | None, _key("Endpoints.")] = None
    tier: Annotated[tuple[str, ...] | None, _key("Tiers that the answer came from.")] = None
    cache: Annotated[tuple[str, ...] | None, _key("How the cache served it: miss, exact, normalised, semantic.")] = None
    judge: Annotated[Share, _key("Share that is judged.")] = 0.0
    shadow: Annotated[Share, _key("Share that the other tier answers too, unserved.")] = 0.0


class Quality(_Table, frozen=True):
    """The quality guard: a share of answers is judged against the expensive tier's, out of band (docs/quality.md)."""

    judge: Annotated[str | None, _key("Model that judges, as service/model or model. Unset: nothing is judged or shadowed, nothing costs.")] = None
    daily_usd: Annotated[NotNegative, _key("Most that judging and shadowing may cost in a day, UTC; over all workers.")] = 1.0
    shares: Annotated[tuple[QualityShare, ...], _key("Shares by endpoint, tier and cache kind; first match wins.")] = ()
    waiting: Annotated[int, _key("Answers that wait to be judged in one worker; more are dropped, and counted.", ge=1)] = 256
    at_once: Annotated[int, _key("Answers that one worker has judged at the same time.", ge=1)] = 4
    timeout_s: Annotated[float, _key("Longest time for one answer, all calls together.", gt=0)] = 120.0
    cool_down_s: Annotated[float, _key("How long a lever that broke its floor stays down before it is tried again; doubles each time.", gt=0)] = (
        3600.0
    )
    trial_share: Annotated[float, _key("Share of the traffic that tries it then, all of it judged.", gt=0, le=1)] = 0.1


class Arm(_Table, frozen=True):
    """One arm of an experiment: its share of the runs, and what is different in it. A key that is unset is as everywhere."""

    share: Annotated[float, _key("Share of the runs.", gt=0, le=1)]
    levers_off: Annotated[tuple[str, ...] | None, _key("Levers that do not act in this arm: cache, route, diet, retrieve, output, check.")] = None
    otherwise: Annotated[Literal["cheap", "expensive"] | None, _key("In place of route.otherwise.")] = None
    rules: Annotated[tuple[Rule, ...] | None, _key("In place of route.rules.")] = None
    cheap: Annotated[tuple[str, ...] | None, _key("In place of tiers.cheap.")] = None
    expensive: Annotated[tuple[str, ...] | None, _key("In place of tiers.expensive.")] = None
    max_output_tokens: Annotated[Count | None, _key("In place of the endpoint's.")] = None


class Experiment(_Table, frozen=True):
    """An A/B test: runs (x-farthing-run) are split over arms by hash, so that one run stays in one arm. Runs beyond the shares take no part."""

    arms: Annotated[dict[str, Arm], _key("Arms by name; the first is what the others are compared with.")] = {}
    endpoints: Annotated[tuple[str, ...], _key("Endpoints that take part; empty: all.")] = ()


class Resilience(_Table, frozen=True):
    """Retries and breakers."""

    attempts: Annotated[int, _key("Tries for one call, the first included; none after the first byte.", ge=1, le=5)] = 2
    retry_ratio: Annotated[float, _key("Retries may add at most this share of requests (a token bucket per service).", ge=0, le=1)] = 0.2
    breaker_failures: Annotated[int, _key("Failures in a row that open the breaker of a service.", ge=1)] = 10
    breaker_rest_s: Annotated[float, _key("How long it stays open.", gt=0)] = 5.0
    deadline_s: Annotated[float, _key("No request lives longer.", gt=0)] = 600.0
    hedge_after_s: Annotated[Positive | None, _key("Send a second copy of a whole call that has no answer by then; unset: never.")] = None


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


class Config(_Table, frozen=True):
    """The whole configuration."""

    server: Annotated[Server, _key("Where the gateway listens.")] = Server()
    store: Annotated[Store, _key("Where it remembers.")] = Store()
    services: Annotated[dict[str, Service], _key("Model services by name.")] = {}
    models: Annotated[dict[str, Model], _key("Model facts and prices by name.")] = {}
    tiers: Annotated[Tiers, _key("Cheap and expensive.")] = Tiers()
    route: Annotated[Route, _key("Routing rules.")] = Route()
    cache: Annotated[Cache, _key("Answer reuse.")] = Cache()
    diet: Annotated[Diet, _key("Prompt diet.")] = Diet()
    retrieve: Annotated[Retrieve, _key("Documents for answers.")] = Retrieve()
    endpoints: Annotated[dict[str, Endpoint], _key("Product features by name (x-farthing-endpoint); 'default' for the rest.")] = {}
    flows: Annotated[dict[str, Flow], _key("Fixed sequences of steps by name, served at /v1/ask (docs/levers/flows.md).")] = {}
    tenant_tiers: Annotated[dict[str, str], _key("Tier of a tenant, for rules: acme = 'enterprise'.")] = {}
    limits: Annotated[Limits, _key("Input and rate limits, budgets.")] = Limits()
    check: Annotated[Check, _key("Answer checks.")] = Check()
    guard: Annotated[Guard, _key("Guardrails.")] = Guard()
    sampling: Annotated[Sampling, _key("Shares of traffic.")] = Sampling()
    quality: Annotated[Quality, _key("The quality guard.")] = Quality()
    experiments: Annotated[dict[str, Experiment], _key("A/B tests by name; a request takes part in the first that has its endpoint.")] = {}
    resilience: Annotated[Resilience, _key("Retries and breakers.")] = Resilience()
    log: Annotated[Log, _key("Logs.")] = Log()
    telemetry: Annotated[Telemetry, _key("OpenTelemetry.")] = Telemetry()

    def endpoint(self, name: str) -> Endpoint:
        """The endpoint of that name, else 'default', else one with no caps and every lever on."""
        return self.endpoints.get(name) or self.endpoints.get("default") or _NO_ENDPOINT


_NO_ENDPOINT = Endpoint()
