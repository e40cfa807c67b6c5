"""Which embedder a configuration means."""

from pathlib import Path

from farthing.config import Config
from farthing.core.errors import ConfigError
from farthing.models.embed.local import LocalEmbedder, shipped
from farthing.models.embed.remote import RemoteEmbedder, Send

_TIMEOUT_S = 2.0


def choose_embedder(config: Config, models: Send) -> LocalEmbedder | RemoteEmbedder:
    """Raises `ConfigError` when it names none. Nothing is loaded yet."""
    name = config.cache.semantic.embedder
    if name == "shipped":
        return shipped()
    folder = Path(name).expanduser()
    if folder.is_dir():
        return LocalEmbedder(folder / "model.onnx", folder / "vocab.txt", name=folder.name)
    service, slash, model = name.partition("/")
    if slash and model and service in config.services:
        return RemoteEmbedder(models, service, model, timeout_s=_TIMEOUT_S)
    known = ", ".join(sorted(config.services)) or "none is configured"
    raise ConfigError(
        f"`cache.semantic.embedder` is '{name}': neither 'shipped', nor a folder, nor service/model of a service under [services] ({known})."
    )
