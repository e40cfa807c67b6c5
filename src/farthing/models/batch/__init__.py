"""Providers' own batches: the same calls for half the price, an answer within a day.

Guarantees: a call is with one provider batch at a time, before and after a restart; what the provider did not answer is called directly.
Off: `services.NAME.batch = false`, which it is unless set.
"""

from farthing.models.batch.desk import BatchDesk

__all__ = ["BatchDesk"]
