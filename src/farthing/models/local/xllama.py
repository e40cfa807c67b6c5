"""llama.cpp's server in a process of ours, from the `xllamacpp` wheel: `python -m farthing.models.local.xllama '{"name": ..., "local": {...}}'`.

The wheel carries the whole C++ server (continuous batching, schema-bound output, metrics) and no program to start it with; this is the program.
"""

import os
import signal
import sys
import threading
from typing import Any

import msgspec

from farthing.config import Local


class Asked(msgspec.Struct, frozen=True):
    """One model to serve."""

    name: str
    local: Local


def parameters(asked: Asked) -> Any:
    """llama.cpp's `common_params` for it."""
    import xllamacpp  # pyright: ignore[reportMissingTypeStubs]

    engine: Any = xllamacpp
    local, made = asked.local, engine.CommonParams()
    made.model.path = local.model
    made.model_alias = {asked.name}
    made.hostnames, made.port = ["127.0.0.1"], local.port
    made.n_parallel, made.n_ctx = local.slots, local.context_tokens * local.slots
    made.endpoint_metrics, made.ui = True, False
    made.slot_prompt_similarity, made.cache_ram_mib = local.slot_similarity, local.prompt_cache_mb
    if local.weights == "copied":
        made.load_mode = engine.llama_load_mode.LLAMA_LOAD_MODE_NONE
    if local.threads:
        made.cpuparams.n_threads = made.cpuparams_batch.n_threads = local.threads
    if local.gpu_layers is not None:
        made.n_gpu_layers = local.gpu_layers
    if local.embeddings:
        made.embedding = True
    if local.pooling != "model":
        made.pooling_type = getattr(engine.llama_pooling_type, f"LLAMA_POOLING_TYPE_{local.pooling.upper()}")
    made.lora_adapters = [engine.CommonAdapterLoraInfo(path, 1.0) for path in local.adapters.values()]
    return made


def main() -> None:
    """Serve until SIGTERM. A server that cannot start is its own words on stderr, and status 1."""
    stop = threading.Event()

    def told(*_: object) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)
    asked = msgspec.json.decode(sys.argv[1], type=Asked)
    import xllamacpp  # pyright: ignore[reportMissingTypeStubs]

    engine: Any = xllamacpp
    try:
        server = engine.Server(parameters(asked))
    except RuntimeError as fault:
        # A plain exit: llama.cpp writes its log in a thread of its own, and says there what was wrong.
        raise SystemExit(f"llama.cpp did not start: {fault}") from None
    stop.wait()
    del server
    os._exit(0)  # its threads would be waited for


if __name__ == "__main__":
    main()
