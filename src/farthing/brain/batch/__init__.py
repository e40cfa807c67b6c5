"""Patient work: batches and calls that may wait, run while nobody else needs the models.

Guarantees: an item walks the journey of every request (keys, limits, levers, ledger row with `lane` background) and is answered once, whatever kills
the gateway; background items start only in what interactive traffic leaves of the measured limit; a spent rate or budget pauses a batch, it
does not fail it.
Costs: 1.2 ms of processor time an item with everything on (bench/batch.py). Off: `batch.enabled = false`.
"""
