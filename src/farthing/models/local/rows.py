"""The engines, a row each: what they load, how they are found and installed, how they are started, where they say how busy they are.

A new engine is one row, and a case in the tests. Only `xllamacpp` runs in a Python process of ours (`xllama.py`), because the wheel has no program.
"""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import msgspec

from farthing.config import Local
from farthing.models.local.errors import EngineMissing, ModelUnusable
from farthing.models.local.pages import huge_pages

Format = Literal["gguf", "checkpoint"]


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine."""

    name: str
    loads: Format
    found: Callable[[], bool]
    install: str
    command: Callable[[str, Local], list[str]]
    running: str  # name of the figure on its metrics page: requests that it computes now
    environment: Callable[[Local], dict[str, str]] = field(default=lambda _: {})  # beside ours


def _xllamacpp(name: str, local: Local) -> list[str]:
    asked = msgspec.json.encode({"name": name, "local": local}).decode()
    return [sys.executable, "-m", "farthing.models.local.xllama", asked]


def _llama_server(name: str, local: Local) -> list[str]:
    command = ["llama-server", "--model", local.model, "--alias", name, "--host", "127.0.0.1", "--port", str(local.port), "--metrics"]
    command += ["--ctx-size", str(local.context_tokens * local.slots), "--parallel", str(local.slots)]
    command += ["--slot-prompt-similarity", str(local.slot_similarity), "--cache-ram", str(local.prompt_cache_mb)]
    command += ["--threads", str(local.threads)] if local.threads else []
    command += ["--n-gpu-layers", str(local.gpu_layers)] if local.gpu_layers is not None else []
    command += ["--embeddings"] if local.embeddings else []
    command += ["--pooling", local.pooling] if local.pooling != "model" else []
    return command + [part for path in local.adapters.values() for part in ("--lora", path)] + list(local.arguments)


def _llama_environment(local: Local) -> dict[str, str]:
    """Weights copied into huge pages; "do not map the file" by the variable's names over the years, of which one that is not known is ignored."""
    if local.weights == "mapped":
        return {}
    return huge_pages(os.environ) | {"LLAMA_ARG_LOAD_MODE": "none", "LLAMA_ARG_MMAP": "0", "LLAMA_ARG_NO_MMAP": "1"}


def _vllm(name: str, local: Local) -> list[str]:
    command = ["vllm", "serve", local.model, "--served-model-name", name, "--host", "127.0.0.1", "--port", str(local.port)]
    command += ["--max-model-len", str(local.context_tokens), "--max-num-seqs", str(local.slots), "--enable-prefix-caching"]
    adapters = [f"{adapter}={path}" for adapter, path in local.adapters.items()]
    return command + (["--enable-lora", "--lora-modules", *adapters] if adapters else []) + list(local.arguments)


def _sglang(name: str, local: Local) -> list[str]:
    command = [sys.executable, "-m", "sglang.launch_server", "--model-path", local.model, "--served-model-name", name]
    command += ["--host", "127.0.0.1", "--port", str(local.port), "--context-length", str(local.context_tokens)]
    command += ["--max-running-requests", str(local.slots), "--enable-metrics"]
    adapters = [f"{adapter}={path}" for adapter, path in local.adapters.items()]
    return command + (["--lora-paths", *adapters] if adapters else []) + list(local.arguments)


def _module(name: str) -> Callable[[], bool]:
    return lambda: find_spec(name) is not None


def _program(name: str) -> Callable[[], bool]:
    return lambda: shutil.which(name) is not None


# In the order in which they are taken: a program that somebody put on PATH was made for this machine, the wheel for every one.
ENGINES = {
    row.name: row
    for row in (
        Engine(
            "llama-server",
            "gguf",
            _program("llama-server"),
            "put llama.cpp's llama-server on PATH (https://github.com/ggml-org/llama.cpp/releases)",
            _llama_server,
            "llamacpp:requests_processing",
            _llama_environment,
        ),
        Engine(
            "xllamacpp", "gguf", _module("xllamacpp"), "pip install 'farthing[local]'", _xllamacpp, "llamacpp:requests_processing", _llama_environment
        ),
        Engine("vllm", "checkpoint", _program("vllm"), "pip install vllm", _vllm, "vllm:num_requests_running"),
        Engine("sglang", "checkpoint", _module("sglang"), "pip install 'sglang[all]'", _sglang, "sglang:num_running_reqs"),
    )
}


def format_of(model: str) -> Format:
    """Raises `ModelUnusable` for what is neither a GGUF file nor a folder with a checkpoint."""
    path = Path(model)
    if path.is_file():
        return "gguf"
    if (path / "config.json").is_file():
        return "checkpoint"
    if path.is_dir() and (inside := sorted(path.glob("*.gguf"))):
        raise ModelUnusable(f"{path} is a folder; name the file in it: {inside[0]}")
    raise ModelUnusable(f"{path} is neither a GGUF file nor a folder with config.json. Check the path.")


def choose(local: Local) -> Engine:
    """The engine for it. Raises `EngineMissing` with the install line, or `ModelUnusable`."""
    loads = format_of(local.model)
    if local.engine != "auto":
        engine = ENGINES[local.engine]
        if engine.loads != loads:
            other = " or ".join(row.name for row in ENGINES.values() if row.loads == loads)
            raise ModelUnusable(f"{engine.name} loads no {'GGUF file' if loads == 'gguf' else 'checkpoint'} ({local.model}); {other} does.")
        if not engine.found():
            raise EngineMissing(f"{engine.name} is not installed: {engine.install}")
        return engine
    candidates = [row for row in ENGINES.values() if row.loads == loads]
    found = next((row for row in candidates if row.found()), None)
    if found is None:
        raise EngineMissing(f"No engine for {local.model} is installed. One of: {'; '.join(f'{row.name}: {row.install}' for row in candidates)}")
    return found
