"""Calls that wait for a provider's own batch."""

from typing import Literal

import msgspec

# waiting: for others to go with. sent: at the provider. answered: its answer is here.
# missed: no answer will come, or none worth keeping; it is called directly.
ParkedState = Literal["waiting", "sent", "answered", "missed"]


class ParkedCall(msgspec.Struct, frozen=True):
    """One call, as the provider gets it. `digest` is that of its body: another body for the same item is another call."""

    item: int
    digest: bytes
    service: str
    path: str  # "/v1/chat/completions"
    model: str
    body: bytes
    parked_at: float


class ParkedAnswer(msgspec.Struct, frozen=True):
    """What came of one; without a status nothing came."""

    item: int
    state: ParkedState
    status: int | None = None
    answer: bytes | None = None
    tag: str | None = None


class ProviderBatch(msgspec.Struct, frozen=True):
    """A batch at a provider. `tag` is ours, and in its metadata; `provider_id` is unknown from when it is sent until the provider has said it."""

    tag: str
    service: str
    path: str
    provider_id: str | None
    created_at: float
