"""A model by its name on the Hugging Face hub, where there is a network and the client for it; everything else is a path."""

import importlib
import re
from pathlib import Path
from typing import Any

from farthing.lab.quantize.base import CannotQuantize

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def local_folder(model: str) -> Path:
    """The folder or GGUF file; a hub name that is no path is fetched. Raises `CannotQuantize`."""
    path = Path(model)
    if path.exists() or not _HUB_NAME.fullmatch(model):
        if not path.exists():
            raise CannotQuantize(f"{model} does not exist. Give the folder of a checkpoint, a .gguf file, or a hub name such as org/model.")
        return path
    try:
        hub: Any = importlib.import_module("huggingface_hub")
    except ImportError:
        raise CannotQuantize(f"{model} is no folder here, and fetching it from the hub needs its client: pip install huggingface_hub") from None
    try:
        return Path(hub.snapshot_download(model, allow_patterns=["*.json", "*.safetensors", "*.jinja", "tokenizer*"]))
    except (OSError, ValueError) as fault:  # the client's own errors of the network are OSErrors
        raise CannotQuantize(f"{model} is no folder here, and the hub did not give it: {str(fault).splitlines()[0][:200]}") from fault
