"""As much of torch as Farthing touches."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import told

float32, float16, bfloat16 = "float32", "float16", "bfloat16"
accelerator = SimpleNamespace(is_available=lambda: told.order("accelerator", False))
no_grad = nullcontext


def set_num_threads(count: int) -> None:
    told.tell("threads", count=count)


class tensor:
    def __init__(self, values: Any) -> None:
        self._values = np.array(values)

    def __getitem__(self, place: Any) -> "tensor":
        return tensor(self._values[place])

    def float(self) -> "tensor":
        return tensor(self._values.astype(np.float32))

    def numpy(self) -> Any:
        return self._values
