"""Schema: does the answer meet the JSON schema that the caller gave?

Compiled schemas are kept, at most 64 of at most 64 KB. Patterns in a schema run in linear time.
"""

import json
from functools import lru_cache
from typing import Any, NoReturn

import jsonschema_rs
import msgspec

from farthing.brain.check.base import Verdict
from farthing.brain.check.limits import MAX_BYTES, check_limits, refused
from farthing.brain.check.mend import Broken, mend

_PROBLEM_CHARS = 500
_PROMPT_CHARS = 60_000
_PATTERN_BYTES = 262_144

_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder().decode


def check_schema(schema: dict[str, Any]) -> None:
    """Compile it now, so that a bad one costs the caller no money. Raises `InvalidRequest`."""
    _validator(schema)


def check_answer(schema: dict[str, Any], text: str, *, complete: bool = True) -> Verdict:
    """The answer as it came if it meets the schema, else mended, else what is wrong with it.

    `complete=False` is an answer that was cut off: it is judged, but never mended into something that looks whole.
    Raises `InvalidRequest` for a schema that cannot be used.
    """
    validator = _validator(schema)
    try:
        value = _decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        problem = f"not JSON: {error}"
    else:
        found = _problem(validator, value)
        if found is None:
            return Verdict(True, text)
        problem = found
    if complete:
        try:
            return Verdict(True, _dump(mend(text, validator.is_valid)), repaired=True)
        except (Broken, ValueError):
            pass  # the first problem says more than the mender's
    return Verdict(False, text, problem=problem)


def repair_prompt(schema: dict[str, Any], text: str, problem: str) -> str:
    """What to ask a cheap model so that it turns the answer into valid JSON without changing what it says."""
    return (
        "The text below should be one JSON value that meets the schema, but it does not: "
        f"{problem}\n\nReturn only the corrected JSON. Keep every fact; add none.\n\n"
        f"Schema:\n{_encode(schema).decode()[:MAX_BYTES]}\n\nText:\n{text[:_PROMPT_CHARS]}"
    )


def _problem(validator: jsonschema_rs.Validator, value: Any) -> str | None:
    """The first thing wrong with a value, `None` when nothing is."""
    try:
        error = next(iter(validator.iter_errors(value)), None)
    except ValueError as error:
        return f"cannot be checked: {error}"[:_PROBLEM_CHARS]  # nested deeper than the validator goes
    if error is None:
        return None
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path)
    return f"at ${place}: {error.message}"[:_PROBLEM_CHARS]


def _validator(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    encoded = _encode(schema)
    if len(encoded) > MAX_BYTES:
        raise refused(f"it has {len(encoded)} bytes, and at most {MAX_BYTES} are taken")
    return _compiled(encoded)


@lru_cache(maxsize=64)
def _compiled(encoded: bytes) -> jsonschema_rs.Validator:
    schema: dict[str, Any] = _decode(encoded)
    check_limits(schema)
    patterns = jsonschema_rs.RegexOptions(size_limit=_PATTERN_BYTES, dfa_size_limit=_PATTERN_BYTES)
    try:
        return jsonschema_rs.validator_for(schema, retriever=_never_fetch, pattern_options=patterns)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        raise refused(str(error).split("\n", 1)[0][:_PROBLEM_CHARS]) from None


def _never_fetch(uri: str) -> NoReturn:
    raise ValueError(f"'{uri[:100]}' is outside the schema")


def _dump(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    text.encode()  # half a surrogate pair cannot be sent on
    return text
