"""The table `[batch]`."""

from typing import Annotated

from farthing.config.table import Table as _Table
from farthing.config.table import key as _key


class Batch(_Table, frozen=True):
    """Patient work: /v1/files, /v1/batches, and calls that may wait (docs/levers/batch.md)."""

    enabled: Annotated[bool, _key("Take files and batches, and run them. false: what is queued stays where it is.")] = True
    at_once: Annotated[int, _key("Most items that run at the same time; the measured limit is often lower.", ge=1)] = 32
    attempts: Annotated[int, _key("Tries for one item whose fault may pass, each later than the one before.", ge=1, le=20)] = 5
    dedupe: Annotated[
        bool, _key("The same request several times in a batch is made once; not where its temperature is above `cache.max_temperature`.")
    ] = True
    max_file_mb: Annotated[float, _key("Largest file taken.", gt=0)] = 200.0
    max_items: Annotated[int, _key("Most requests in one file.", ge=1)] = 50_000
    tenant_mb: Annotated[float, _key("Most that the files of one tenant may take in the store.", gt=0)] = 2048.0
    keep_s: Annotated[float, _key("How long files, answers and ended batches are kept.", gt=0)] = 2_592_000.0
    window_s: Annotated[float, _key("Longest completion window; also the time that a single background call has.", gt=0)] = 86_400.0
    hold_s: Annotated[
        float, _key("How long a call that waits by its endpoint's `latency_slo_s` is held open before it gets 202 and a place to ask.", ge=0)
    ] = 540.0
    room: Annotated[
        float, _key("Most by which background work may slow interactive answers: 0.1 for a tenth. It yields where they get slower.", gt=0)
    ] = 0.1
    provider_items: Annotated[
        int, _key("Most items in one batch of a provider (`services.NAME.batch`), and most that are there at the same time.", ge=1)
    ] = 1000
    provider_least: Annotated[int, _key("Fewer items than this are called directly.", ge=1)] = 10
    provider_gather_s: Annotated[float, _key("How long items wait for others to go with.", ge=0)] = 15.0
    provider_poll_s: Annotated[float, _key("How often a provider is asked how far its batches are.", gt=0)] = 60.0
