"""What NVIDIA's driver says of the accelerators of this machine (extra `nvml`). Without driver or extra there are none."""

import logging
from collections.abc import Callable
from importlib import import_module
from typing import Any

from farthing.core.engine import Gpu

_log = logging.getLogger(__name__)


def open_gpus(load: Callable[[str], Any] = import_module) -> Callable[[], list[Gpu]]:
    """Asks for all of them, about a millisecond each time."""
    try:
        nvml = load("pynvml")
    except ImportError:
        return list
    try:
        nvml.nvmlInit()
        count = nvml.nvmlDeviceGetCount()
    except nvml.NVMLError as error:
        _log.info("no accelerators are shown: %s", error)
        return list
    handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]

    def ask() -> list[Gpu]:
        try:
            return [_of(nvml, index, handle) for index, handle in enumerate(handles)]
        except nvml.NVMLError as error:
            _log.warning("the accelerators do not answer: %s", error)
            return []

    return ask


def _of(nvml: Any, index: int, handle: Any) -> Gpu:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    return Gpu(str(index), nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100, memory.used / memory.total)
