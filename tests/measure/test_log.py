"""Logs: nothing that looks like a secret is written, and one event is one line."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.config import Log
from farthing.measure.log import REDACTED, redact, setup

SECRET = "9f86d081884c7d659a2feaa0c55ad015"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("farthing")
    handlers, level, our_level = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    ours.setLevel(our_level)


def logged(form: str, level: str = "info", **told: object) -> io.StringIO:
    out = io.StringIO()
    setup(Log(level=level, format=form), stream=out, **told)  # pyright: ignore[reportArgumentType]
    return out


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"key fk-{SECRET} refused", f"key {REDACTED} refused"),
        (f"sk-proj-{SECRET}", REDACTED),
        (f"sk_live_{SECRET}", REDACTED),
        (f"Authorization: Bearer {SECRET}", f"Authorization: {REDACTED}"),
        (f"'authorization': 'Basic {SECRET}'", f"'authorization': '{REDACTED}'"),
        (f'{{"x-api-key": "{SECRET}", "a": 1}}', f'{{"x-api-key": "{REDACTED}", "a": 1}}'),
        (f"api_key={SECRET}", f"api_key={REDACTED}"),
        (f"got bearer {SECRET}, alas", f"got bearer {REDACTED}, alas"),
        (f"http://me:{SECRET}@proxy:80/x", f"http://me:{REDACTED}@proxy:80/x"),
        ("task-runner-number-nine at http://127.0.0.1:8080/v1", "task-runner-number-nine at http://127.0.0.1:8080/v1"),
        ("disk-full-on-device, risk-level-high", "disk-full-on-device, risk-level-high"),
    ],
)
def test_redact(text: str, clean: str) -> None:
    assert redact(text) == clean


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_part_of_an_event_keeps_a_secret(form: str) -> None:
    out = logged(form, secrets=[SECRET, "a"])
    try:
        raise ValueError(f"refused Bearer {SECRET}")
    except ValueError:
        logging.getLogger("farthing.edge").exception("call with %s", f"fk-{SECRET}", extra={"headers": {"k": [SECRET, 1]}, "spent": 0.5})
    said = out.getvalue()
    assert SECRET not in said
    assert REDACTED in said
    assert "ValueError" in said


def test_json_lines_hold_the_fields() -> None:
    out = logged("json")
    logging.getLogger("farthing.flow").warning("line one\nline two of %d", 2, extra={"request_id": "req_1", "tokens": 3, "cost": None})
    (line,) = out.getvalue().splitlines()
    event = json.loads(line)
    assert event.pop("time").endswith("Z")
    assert event == {
        "level": "warning",
        "logger": "farthing.flow",
        "message": "line one\nline two of 2",
        "request_id": "req_1",
        "tokens": 3,
        "cost": None,
    }


def test_text_lines_cannot_be_forged() -> None:
    out = logged("text")
    logging.getLogger("farthing").info("bad name %s", "x\n2026-01-01 ERROR forged", extra={"who": "a\r\nb"})
    (line,) = out.getvalue().splitlines()
    assert line.endswith(r"INFO    farthing: bad name x\n2026-01-01 ERROR forged who=a\r\nb")


def test_auto_writes_json_where_nobody_looks() -> None:
    out = logged("auto")
    logging.getLogger("farthing").info("hello")
    assert json.loads(out.getvalue())["message"] == "hello"


def test_levels() -> None:
    out = logged("text", "debug")
    logging.getLogger("farthing.x").debug("ours")
    logging.getLogger("library").info("theirs")
    logging.getLogger("library").warning("their warning")
    assert [line.partition(": ")[2] for line in out.getvalue().splitlines()] == ["ours", "their warning"]
    quiet = logged("text", "error")
    logging.getLogger("library").warning("hushed")
    assert quiet.getvalue() == ""


def test_setup_can_be_repeated() -> None:
    logged("text")
    out = logged("text")
    logging.getLogger("farthing").info("once")
    assert out.getvalue().count("once") == 1


@given(st.text(max_size=300))
def test_redacting_is_stable(text: str) -> None:
    assert redact(redact(text)) == redact(text)
