"""Product features: `[endpoints]`."""

from typing import Annotated, Literal

from farthing.config.context import FewShot
from farthing.config.table import Count, NotNegative, Positive, Ratio
from farthing.config.table import Table as _Table
from farthing.config.table import key as _key
from farthing.config.tokens import Lossy, Output


class Caps(_Table, frozen=True):
    """Limits of one endpoint. Crossing a target is recorded; reaching an absolute one ends the answer gracefully."""

    max_calls_per_run: Annotated[Count | None, _key("Model calls that one run (x-farthing-run) may make.")] = None
    target_latency_s: Annotated[Positive | None, _key("Recorded when crossed.")] = None
    absolute_latency_s: Annotated[Positive | None, _key("The answer is cut here, with what there is.")] = None
    target_tokens: Annotated[Count | None, _key("Input and output together; recorded when crossed.")] = None
    absolute_tokens: Annotated[Count | None, _key("Input and output together; the answer is cut here.")] = None
    max_usd: Annotated[Positive | None, _key("Most that one request may cost; dearer quotes are refused.")] = None
    max_usd_per_run: Annotated[Positive | None, _key("Most that one run may cost.")] = None


class Endpoint(_Table, frozen=True):
    """One product feature: its caps and its levers."""

    profile: Annotated[Literal["auto", "transparent", "saver"], _key("transparent: body untouched; saver: every lever; auto: by dialect.")] = "auto"
    caps: Annotated[Caps, _key("Limits.")] = Caps()
    temperature: Annotated[NotNegative | None, _key("What a missing temperature means here; unset: the provider's default (1.0).")] = None
    learned: Annotated[Literal["auto", "route", "off"], _key("Learned router here: auto, route (no answer is read), or off (rules only).")] = "auto"
    levers_off: Annotated[tuple[str, ...], _key("Levers that never act here: cache, route, diet, lossy, retrieve, output, prompt_cache, check.")] = ()
    collection: Annotated[str | None, _key("Documents (`farthing docs add`) that questions here are answered from; each tenant's own.")] = None
    collection_tokens: Annotated[Count | None, _key("Most tokens of documents in one prompt here; unset: retrieve.budget_tokens.")] = None
    model: Annotated[str | None, _key("Model for /v1/ask when the caller names none.")] = None
    system: Annotated[str | None, _key("System prompt of /v1/ask.")] = None
    max_output_tokens: Annotated[Count | None, _key("Output limit when the caller sets none.")] = None
    output: Annotated[Output, _key("How long answers are.")] = Output()
    latency_slo_s: Annotated[
        Positive | None, _key("How long answers may take here. From 3600 on, calls wait for idle capacity by themselves (docs/levers/batch.md).")
    ] = None
    templates: Annotated[dict[str, str], _key("System prompts of /v1/ask by task type, before `system`: { sentiment = 'One word.' }.")] = {}
    few_shot: Annotated[FewShot, _key("Examples, of which those most like the input are sent.")] = FewShot()
    lossy: Annotated[Lossy, _key("What may be left out of prompts; needs a quality_floor.")] = Lossy()
    quality_floor: Annotated[
        Ratio | None,
        _key("Least quality of what levers give here, as a share of the expensive tier's: 0.97. A lever that breaks it is turned down."),
    ] = None
    value_usd: Annotated[NotNegative | None, _key("What one interaction (run) is worth in USD; `farthing report` shows the margin.")] = None
