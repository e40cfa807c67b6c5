"""An embedding model behind a configured service: anything that serves OpenAI's /embeddings."""

import asyncio
import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Protocol

import msgspec

from farthing.core.call import Call, Reply
from farthing.core.errors import UpstreamBroken
from farthing.core.ids import new_id
from farthing.core.request import Dialect

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

_encode = msgspec.json.Encoder().encode


class Send(Protocol):
    """The one thing that is asked of the model services."""

    def send(self, call: Call) -> Awaitable[Reply]: ...


class _Embedding(msgspec.Struct):
    embedding: list[float]


class _Embeddings(msgspec.Struct):
    data: list[_Embedding]


class RemoteEmbedder:
    """Embeds texts by calls to `service`; a call takes at most `timeout_s`, because a cache that is slower than the model saves nothing."""

    def __init__(self, models: Send, service: str, model: str, *, timeout_s: float) -> None:
        self._models, self._service, self._model = models, service, model
        self._timeout_s = timeout_s
        self.id = f"{service}/{model}"

    async def embed(self, text: str) -> "Vector":
        """A vector of length one. Raises the `Upstream` branch of the error tree, or `TimeoutError`."""
        import numpy as np

        body = _encode({"model": self._model, "input": text})
        deadline_s = time.monotonic() + self._timeout_s
        call = Call(self._service, self._model, Dialect.EMBEDDINGS, body, False, deadline_s, new_id("emb"))
        async with asyncio.timeout(self._timeout_s):
            reply = await self._models.send(call)
            try:
                found = msgspec.json.decode(await reply.read(), type=_Embeddings)
            except msgspec.MsgspecError as error:
                raise UpstreamBroken(f"'{self.id}' answered with something that is no list of embeddings: {error}") from error
            finally:
                reply.close()
        vector = np.asarray(found.data[0].embedding if found.data else (), np.float32)
        length = float(np.linalg.norm(vector))
        if not length > 0:
            raise UpstreamBroken(f"'{self.id}' gave an embedding of length {length}.")
        return vector / length

    def close(self) -> None:
        """Nothing is held."""
