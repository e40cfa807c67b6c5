"""The tables of `[flows]`: what a fixed sequence of steps is made of."""

from typing import Annotated, Literal

from msgspec import Meta

from farthing.config.table import Table as _Table
from farthing.config.table import key as _key

Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
ValueType = Literal["text", "number", "integer", "boolean"]
StepKind = Literal["rules", "classify", "extract", "retrieve", "http", "llm", "decide_and_answer", "branch"]


class FlowInput(_Table, frozen=True):
    """One value that the caller gives in metadata.input."""

    type: Annotated[ValueType, _key("What it must be.")] = "text"
    required: Annotated[bool, _key("A request without it is refused.")] = True


class FlowRow(_Table, frozen=True):
    """One row of a `rules` step."""

    pattern: Annotated[str, _key("RE2 pattern, looked for anywhere in the text.")]
    value: Annotated[str, _key("What the step gives when it matches.")]


class FlowField(_Table, frozen=True):
    """One field of an `extract` step."""

    pattern: Annotated[str, _key("RE2 pattern; its first group, or all of it, is the value.")]
    type: Annotated[ValueType, _key("What the value is read as.")] = "text"
    required: Annotated[bool, _key("The step fails without it.")] = False


class FlowCall(_Table, frozen=True):
    """A model call that an agent would make in place of this flow."""

    input_tokens: Annotated[Count, _key("Tokens of its prompt.")]
    output_tokens: Annotated[Count, _key("Tokens of its answer.")]


class FlowStep(_Table, frozen=True):
    """One step. Texts may name what is known: {text}, {input.NAME}, {STEP.FIELD}, {A|B} for the first there is, {A?} for nothing if there is none."""

    do: Annotated[StepKind, _key("What it does.")]
    when: Annotated[dict[str, tuple[str, ...]], _key("Runs only where these have one of these values: { kind = ['refund'] }.")] = {}
    of: Annotated[str, _key("rules, classify, extract, branch, retrieve: what is read.")] = "{text}"
    rows: Annotated[tuple[FlowRow, ...], _key("rules: the first that matches gives the value.")] = ()
    otherwise: Annotated[str | None, _key("rules, branch: the value when nothing matches; unset: the step gives none.")] = None
    fields: Annotated[dict[str, FlowField], _key("extract: fields by name.")] = {}
    cases: Annotated[dict[str, tuple[str, ...]], _key("branch: values that lead to each case.")] = {}
    method: Annotated[Literal["GET", "POST"], _key("http: the method.")] = "GET"
    url: Annotated[str, _key("http: scheme, host and port are fixed; names may stand in path and query, and are percent-encoded.")] = ""
    body: Annotated[str | None, _key("http: JSON to send; names stand for JSON values.")] = None
    bearer_env: Annotated[str | None, _key("http: environment variable with a bearer token.")] = None
    timeout_s: Annotated[float, _key("http: longest time.", gt=0, le=120)] = 5.0
    max_kb: Annotated[int, _key("http: largest answer.", ge=1, le=4096)] = 64
    tier: Annotated[Literal["auto", "cheap", "expensive"], _key("llm, decide_and_answer: who is asked.")] = "auto"
    model: Annotated[str | None, _key("llm, decide_and_answer: a model by name, in place of a tier.")] = None
    system: Annotated[str | None, _key("llm, decide_and_answer: system prompt. The same for every request: no names.")] = None
    prompt: Annotated[str, _key("llm, decide_and_answer: what is asked.")] = "{text}"
    schema: Annotated[str | None, _key("llm: JSON schema, as text, that the answer must meet.")] = None
    max_tokens: Annotated[Positive | None, _key("llm, decide_and_answer: output limit.")] = None
    temperature: Annotated[float, _key("llm, decide_and_answer: temperature.", ge=0)] = 0.0
    actions: Annotated[dict[str, str], _key("decide_and_answer: what the model chooses from, each with when to choose it.")] = {}
    answers: Annotated[tuple[str, ...], _key("decide_and_answer: actions whose answer may be served as it is.")] = ()
    collection: Annotated[str | None, _key("retrieve: where to look.")] = None


class Flow(_Table, frozen=True):
    """A fixed sequence of steps, served at /v1/ask with metadata.flow. Steps that need nothing of each other run at the same time."""

    steps: Annotated[dict[str, FlowStep], _key("Steps by name.")] = {}
    input: Annotated[dict[str, FlowInput], _key("What metadata.input may hold.")] = {}
    answer: Annotated[tuple[str, ...], _key("The answer: the first of these of which all is known. Unset: the last step's.")] = ()
    show: Annotated[tuple[str, ...], _key("Steps whose values the caller gets, whole; of the others only what became of them.")] = ()
    endpoint: Annotated[str | None, _key("Endpoint whose caps hold over the whole flow; default: the flow's name.")] = None
    hosts: Annotated[tuple[str, ...], _key("Hosts that http steps may reach, as host or host:port.")] = ()
    private_hosts: Annotated[tuple[str, ...], _key("Those of them that may have private addresses, as host:port.")] = ()
    replaces: Annotated[
        tuple[FlowCall, ...], _key("All model calls that an agent would make instead, as measured; unset: no call is counted as avoided.")
    ] = ()

    @property
    def collection(self) -> str | None:
        """The first that a step asks, where one does."""
        return next((step.collection for step in self.steps.values() if step.collection), None)
