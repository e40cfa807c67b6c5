"""Models that run here: `[local]`."""

from typing import Annotated, Literal

from msgspec import Meta

from farthing.config.table import Count, Positive
from farthing.config.table import Table as _Table
from farthing.config.table import key as _key

Layers = Annotated[int, Meta(ge=0)]


class Local(_Table, frozen=True):
    """One model and the engine that `farthing local up` keeps running for it (docs/local.md). A service points to it with `local = "NAME"`."""

    model: Annotated[str, _key("GGUF file (llama.cpp) or folder of a checkpoint (vLLM, SGLang).")]
    port: Annotated[int, _key("TCP port on 127.0.0.1; one for each.", ge=1, le=65535)]
    engine: Annotated[
        Literal["auto", "xllamacpp", "llama-server", "vllm", "sglang"], _key("auto: the first that is installed and loads such a model.")
    ] = "auto"
    context_tokens: Annotated[int, _key("Longest prompt and answer together, of one request.", ge=128)] = 4096
    slots: Annotated[int, _key("Requests that it computes at the same time; each has a context of its own.", ge=1, le=1024)] = 4
    threads: Annotated[Count | None, _key("Threads of llama.cpp; unset: the physical cores, as it counts them.")] = None
    weights: Annotated[
        Literal["copied", "mapped"],
        _key("llama.cpp: copied into memory (faster answers; repacked weights are held once), or mapped from the file (quicker start, shared)."),
    ] = "copied"
    gpu_layers: Annotated[Layers | None, _key("llama.cpp: layers on the GPU; unset: as many as fit.")] = None
    warm: Annotated[tuple[str, ...], _key("System prompts read at start, so that the first request finds them computed.")] = ()
    adapters: Annotated[
        dict[str, str], _key("LoRA adapters by name: GGUF for llama.cpp (always on), folders for vLLM and SGLang (asked for by name).")
    ] = {}
    embeddings: Annotated[bool, _key("llama.cpp: serve /v1/embeddings, and nothing else.")] = False
    pooling: Annotated[
        Literal["model", "mean", "cls", "last"], _key("llama.cpp, embeddings: how the tokens' vectors become one; model: as its file says.")
    ] = "model"
    slot_similarity: Annotated[
        float, _key("llama.cpp: least share of a prompt that a slot must hold already to be preferred for it.", ge=0, le=1)
    ] = 0.1
    prompt_cache_mb: Annotated[int, _key("llama.cpp: memory for prompts that were computed before and have left their slot.", ge=0)] = 256
    memory_gb: Annotated[Positive | None, _key("What it takes, in GB, in place of the estimate from the file.")] = None
    ready_timeout_s: Annotated[float, _key("Longest time from its start until it answers.", gt=0)] = 300.0
    grace_s: Annotated[float, _key("At stop: how long running answers may take to end.", ge=0)] = 30.0
    arguments: Annotated[tuple[str, ...], _key("More arguments for its command line (not xllamacpp).")] = ()
