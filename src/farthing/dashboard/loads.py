"""How model services say they are: the Prometheus page of vLLM, SGLang, llama.cpp, TGI, and of NVIDIA's DCGM exporter.

Only services with `metrics_url` are asked, when somebody looks, with a short deadline. One that does not answer is left out.
"""

import logging
from collections.abc import Iterable, Mapping

from farthing.config import Config
from farthing.dashboard.facts import Load

_log = logging.getLogger(__name__)
_TIMEOUT_S = 1.0
_MOST_BYTES = 4_194_304
_RUNNING = ("vllm:num_requests_running", "sglang:num_running_reqs", "llamacpp:requests_processing", "tgi_batch_current_size")
_WAITING = ("vllm:num_requests_waiting", "sglang:num_queue_reqs", "llamacpp:requests_deferred", "tgi_queue_size")
_CACHE = ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc", "sglang:token_usage", "llamacpp:kv_cache_usage_ratio")


def read_loads(config: Config) -> dict[str, Load]:
    """By service. Blocks; at most a second for each."""
    return {name: load for name, service in config.services.items() if service.metrics_url and (load := _read(service.metrics_url)) is not None}


def _read(url: str) -> Load | None:
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
            return parse(answer.read(_MOST_BYTES).decode("utf-8", "replace").splitlines())
    except (OSError, ValueError) as error:
        _log.warning("no figures from %s: %s", url, error)
        return None


def parse(lines: Iterable[str]) -> Load | None:
    """The figures that we know the names of; `None` where there are none."""
    found: dict[str, list[float]] = {}
    for line in lines:
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
    )
    return None if load == Load() else load


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
