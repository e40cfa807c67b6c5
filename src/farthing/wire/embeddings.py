"""Embeddings answers: only their usage and model are read; the vectors are skipped unseen."""

import msgspec

from farthing.core.usage import Usage
from farthing.wire.usages import sane_usage


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None


class _Embeddings(msgspec.Struct, gc=False):
    data: msgspec.Raw
    model: str | None = None
    usage: _Usage | None = None


_EMBEDDINGS = msgspec.json.Decoder(_Embeddings)


def read_embeddings_usage(body: bytes) -> tuple[Usage | None, None, str | None]:
    """Usage, no finish, model. Raises `ValueError` for what is no embeddings answer."""
    found = _EMBEDDINGS.decode(body)
    return sane_usage(found.usage.prompt_tokens, 0) if found.usage else None, None, found.model
