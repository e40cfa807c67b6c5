"""Checks: CPU of validation, mending, redaction and guardrails.

python bench/check.py
"""

import json
import time
import timeit
from collections.abc import Callable

from farthing.brain.check import Guardrails, check_answer, redact
from farthing.config import Guard, GuardRow

SENTENCE = "I moved about 40 GB of photos into a shared folder yesterday and since then the client says syncing 3 of 12,871 files. "
SCHEMA = {
    "type": "object",
    "properties": {"items": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}, "count": {"type": "integer"}}}}},
    "required": ["items"],
}


def show(name: str, call: Callable[[], object], number: int = 500) -> None:
    best = min(timeit.repeat(call, timer=time.process_time, number=number, repeat=5)) / number
    print(f"check {name:44}{best * 1e6:9.1f} us")


def main() -> None:
    answer = json.dumps({"items": [{"name": f"item number {index}", "count": index} for index in range(28)]})
    plain, odd = SENTENCE * 13, (SENTENCE + "Grüße – Zoë. ") * 12
    private = plain + "Write to bob@example.com or +49 30 1234567."
    guard = Guardrails(Guard(rows=(GuardRow(name="weapons", pattern=r"(?i)\bpipe\s*bomb\b"),)))
    show(f"valid answer of {len(answer)} characters", lambda: check_answer(SCHEMA, answer))
    show("the same in a code fence, mended", lambda: check_answer(SCHEMA, f"```json\n{answer}\n```"), 100)
    show("64 KB of nothing but brackets and quotes", lambda: check_answer(SCHEMA, '["{]{]' * 11_000), 3)
    show("64 KB of keys that never end", lambda: check_answer(SCHEMA, '{"' * 32_768), 3)
    show("redaction, 1.5 KB of ASCII", lambda: redact(plain))
    show("redaction, 1.5 KB with accents", lambda: redact(odd))
    show("redaction, two findings", lambda: redact(private))
    show("guardrail, 1.5 KB of ASCII", lambda: guard.inspect(plain, "input"))
    show("guardrail, 1.5 KB with accents", lambda: guard.inspect(odd, "input"))
    show("guardrail, 100 KB with accents", lambda: guard.inspect(odd * 64, "input"), 20)


if __name__ == "__main__":
    main()
