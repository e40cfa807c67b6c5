"""The Prometheus page of an engine -> `Load`: vLLM, SGLang, llama.cpp, TGI, and NVIDIA's DCGM exporter. Pure.

Names as of vLLM 0.11, SGLang 0.5, llama.cpp's server (`--metrics`), TGI 3 and dcgm-exporter 4; older ones where they differ.
"""

from collections.abc import Iterable, Mapping

import msgspec

from farthing.core.engine import Load

_RUNNING = ("vllm:num_requests_running", "sglang:num_running_reqs", "llamacpp:requests_processing", "tgi_batch_current_size")
_WAITING = ("vllm:num_requests_waiting", "sglang:num_queue_reqs", "llamacpp:requests_deferred", "tgi_queue_size")
_CACHE = ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc", "sglang:token_usage", "llamacpp:kv_cache_usage_ratio")
_INPUT = ("vllm:prompt_tokens_total", "sglang:prompt_tokens_total", "llamacpp:prompt_tokens_total", "tgi_request_input_length_sum")
_OUTPUT = (
    *("vllm:generation_tokens_total", "sglang:generation_tokens_total", "llamacpp:tokens_predicted_total"),
    "tgi_request_generated_tokens_sum",
)


def read(page: str) -> Load | None:
    """The figures that we know the names of; `None` where there are none."""
    found: dict[str, list[float]] = {}
    for line in page.splitlines():
        name, value = _sample(line)
        if value is not None:
            found.setdefault(name, []).append(value)
    busy, used, free = found.get("DCGM_FI_DEV_GPU_UTIL"), sum(found.get("DCGM_FI_DEV_FB_USED", ())), sum(found.get("DCGM_FI_DEV_FB_FREE", ()))
    load = Load(
        running=_sum(found, _RUNNING),
        waiting=_sum(found, _WAITING),
        cache_used=_mean(found, _CACHE),
        gpu_used=sum(busy) / len(busy) / 100 if busy else None,
        gpu_memory_used=used / (used + free) if used + free else None,
        input_tokens=_sum(found, _INPUT),
        output_tokens=_sum(found, _OUTPUT),
    )
    return None if load == Load() else load


def with_rates(load: Load, before: Load | None, seconds: float) -> Load:
    """Tokens a second since the look before; unknown at the first one, and where the engine began anew in between."""
    if before is None or seconds <= 0:
        return load
    rates = (_rate(load.input_tokens, before.input_tokens, seconds), _rate(load.output_tokens, before.output_tokens, seconds))
    return msgspec.structs.replace(load, input_tokens_per_s=rates[0], output_tokens_per_s=rates[1])


def _rate(now: float | None, before: float | None, seconds: float) -> float | None:
    return (now - before) / seconds if now is not None and before is not None and now >= before else None


def _sample(line: str) -> tuple[str, float | None]:
    if not line or line.startswith("#"):
        return "", None
    head, _, rest = line.rpartition("}") if "}" in line else line.partition(" ")
    try:
        return head.partition("{")[0].strip(), float(rest.split()[0])
    except (ValueError, IndexError):
        return "", None


def _sum(found: Mapping[str, list[float]], names: Iterable[str]) -> float | None:
    return next((sum(found[name]) for name in names if name in found), None)


def _mean(found: Mapping[str, list[float]], names: Iterable[str]) -> float | None:
    return next((sum(found[name]) / len(found[name]) for name in names if name in found), None)
