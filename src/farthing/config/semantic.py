"""The table `[cache.semantic]`."""

from typing import Annotated, Literal

from farthing.config.table import Positive
from farthing.config.table import Table as _Table
from farthing.config.table import key as _key


class Semantic(_Table, frozen=True):
    """Reuse of answers to the same question in other words (docs/levers/cache.md)."""

    mode: Annotated[
        Literal["off", "watch", "on"],
        _key("off: nothing is loaded. watch: questions are embedded and judged, nothing is served. on: what is certified is served."),
    ] = "off"
    max_wrong_per_hit: Annotated[float, _key("Promise: at most this share of the answers served by meaning is wrong.", gt=0, le=0.5)] = 0.01
    confidence: Annotated[float, _key("Confidence of the bound, one-sided, each time it is drawn.", ge=0.5, lt=1)] = 0.8
    endpoints: Annotated[tuple[str, ...], _key("Endpoints that take part; empty: all.")] = ()
    embedder: Annotated[
        str, _key("shipped (MiniLM), a folder with model.onnx and vocab.txt, or service/model of an OpenAI-compatible embeddings endpoint.")
    ] = "shipped"
    judge: Annotated[str | None, _key("Model that says whether two answers agree; default: `quality.judge`. Paid from `quality.daily_usd`.")] = None
    max_question_chars: Annotated[int, _key("Longer questions are not compared.", ge=10)] = 2000
    max_entries: Annotated[int, _key("Keys in one worker; the least valuable answers go first.", ge=100)] = 100_000
    max_mb: Annotated[float, _key("Memory for answers and keys in one worker; those that save least for each byte go first.", gt=0)] = 256.0
    half_life_s: Annotated[
        Positive | None, _key("Time after which half of the answers are out of date; the promise counts that in. Unset: none is before `ttl_s`.")
    ] = None
    trusted_keys: Annotated[tuple[str, ...], _key("Ids of the keys whose answers may be reused by meaning; empty: every key's.")] = ()
    ttl_s: Annotated[float, _key("Age at which an answer dies here.", gt=0)] = 604_800.0
