"""Every OpenTelemetry name that leaves the gateway, once: spans, attributes, events, metrics, buckets.

`gen_ai.*` follows the GenAI semantic conventions after their move to a repository of their own (October 2026, status Development):
`gen_ai.client.inference.duration` where it was `gen_ai.client.operation.duration`, counters where `gen_ai.client.token.usage` was a histogram,
`cache_write` where it was `cache_creation`. What they have no name for begins with `farthing.`.
"""

from collections.abc import Mapping

import msgspec

from farthing.core.request import Dialect

SCOPE = "farthing"

CHAT, EMBEDDINGS = "chat", "embeddings"
OPERATIONS: Mapping[str, str] = {dialect.value: EMBEDDINGS if dialect is Dialect.EMBEDDINGS else CHAT for dialect in Dialect}

# Our names of services -> well-known values of `gen_ai.provider.name`; any other service keeps its own.
PROVIDERS: Mapping[str, str] = {
    "gemini": "gcp.gemini",
    "vertex": "gcp.vertex_ai",
    "bedrock": "aws.bedrock",
    "azure": "azure.ai.openai",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "xai": "x_ai",
}

# Attributes
OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_STREAM = "gen_ai.request.stream"
REQUEST_TEMPERATURE = "gen_ai.request.temperature"
REQUEST_TOP_P = "gen_ai.request.top_p"
REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens"
REQUEST_SEED = "gen_ai.request.seed"
REQUEST_CHOICES = "gen_ai.request.choice.count"
OUTPUT_TYPE = "gen_ai.output.type"
FINISH_REASONS = "gen_ai.response.finish_reasons"
TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS = "gen_ai.usage.cache_write.input_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
INPUT_MESSAGES = "gen_ai.input.messages"  # content: only if configured
OUTPUT_MESSAGES = "gen_ai.output.messages"
MODALITY = "gen_ai.token.modality"
ERROR_TYPE = "error.type"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"

REQUEST_ID = "farthing.request.id"
RUN_ID = "farthing.run.id"
ENDPOINT = "farthing.endpoint"
DIALECT = "farthing.dialect"
TENANT = "farthing.tenant"
TASK = "farthing.task"
TIER = "farthing.tier"
MODEL = "farthing.model"  # that answered
CACHE = "farthing.cache"
OUTCOME = "farthing.outcome"
STATUS = "http.response.status_code"
TRUNCATED = "farthing.truncated"
EXPERIMENT = "farthing.experiment"
COST_USD = "farthing.cost_usd"
BASELINE_USD = "farthing.baseline_cost_usd"
SAVED_USD = "farthing.saved_usd"  # on spans: followed by `.` and the lever
QUEUE_S = "farthing.queue_s"
OVERHEAD_S = "farthing.overhead_s"
PURPOSE = "farthing.purpose"  # of a model call: answer, repair, escalate, router ...
ESTIMATED = "farthing.usage_estimated"
LEVER = "farthing.lever"
ACTION = "farthing.action"
REASON = "farthing.reason"
FAILED_OPEN = "farthing.failed_open"

DECISION = "farthing.decision"  # the event that each decision of a lever becomes


class Instrument(msgspec.Struct, frozen=True):
    """One metric."""

    name: str
    unit: str
    help: str
    buckets: tuple[float, ...] = ()


_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_FIRST_SECONDS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_TOKENS = tuple(float(4**power) for power in range(14))

INFERENCE_DURATION = Instrument("gen_ai.client.inference.duration", "s", "Duration of calls to models.", _SECONDS)
OPERATION_DURATION = Instrument("gen_ai.client.operation.duration", "s", "Duration of calls that are no inference: embeddings.", _SECONDS)
FIRST_CHUNK = Instrument("gen_ai.client.inference.time_to_first_chunk", "s", "From a streamed call to its first chunk.", _FIRST_SECONDS)
USED_INPUT = Instrument("gen_ai.client.inference.usage.input_tokens", "{token}", "Input tokens used, cached ones included.")
USED_OUTPUT = Instrument("gen_ai.client.inference.usage.output_tokens", "{token}", "Output tokens used, reasoning ones included.")
USED_CACHE_READ = Instrument("gen_ai.client.inference.usage.cache_read.input_tokens", "{token}", "Input tokens read from the provider's cache.")
USED_CACHE_WRITE = Instrument("gen_ai.client.inference.usage.cache_write.input_tokens", "{token}", "Input tokens written to the provider's cache.")
USED_REASONING = Instrument("gen_ai.client.inference.usage.reasoning.output_tokens", "{token}", "Output tokens spent on reasoning.")
CALL_INPUT = Instrument("gen_ai.client.inference.operation.input_tokens", "{token}", "Input tokens of one call.", _TOKENS)
CALL_OUTPUT = Instrument("gen_ai.client.inference.operation.output_tokens", "{token}", "Output tokens of one call.", _TOKENS)

REQUEST_DURATION = Instrument("farthing.request.duration", "s", "From the head of a request to the last byte of its answer.", _SECONDS)
COST = Instrument("farthing.cost", "{USD}", "What settled requests cost.")
BASELINE = Instrument("farthing.baseline_cost", "{USD}", "What they would have cost on the baseline, no lever pulled.")
SAVED = Instrument("farthing.saved", "{USD}", "What levers saved; it falls where one cost more than it saved.")
