"""Check: schemas, guardrails, redaction. The contract is in `base`."""

from farthing.brain.check.base import GuardVerdict, Verdict
from farthing.brain.check.guard import Guardrails
from farthing.brain.check.redact import redact
from farthing.brain.check.schema import check_answer, check_schema, repair_prompt

__all__ = ["GuardVerdict", "Guardrails", "Verdict", "check_answer", "check_schema", "redact", "repair_prompt"]
