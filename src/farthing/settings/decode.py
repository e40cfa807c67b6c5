"""TOML text into a `Config`, or a `ConfigError` with one line for every mistake: where, what was given, what is taken.

A secret written into the file is a mistake too, and its value never shows up in the message.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec

from farthing.config import Config
from farthing.core.errors import ConfigError
from farthing.settings import tree

_SECRET_VALUE = re.compile(r"(sk|pk|rk|gsk|xai|hf|r8|AIza|AKIA|ghp|Bearer )[-_A-Za-z0-9]{16,}|https?://[^/@\s]+:[^/@\s]+@.*")
_SECRET_KEY = re.compile(r"(?i)(api_?key|secret|password|passwd|token|authorization|bearer)")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Raw = dict[str, Any]


def read(path: Path) -> Raw:
    """The file as TOML."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as fault:
        raise ConfigError(f"Cannot read the configuration {path}: {fault.strerror}. Check the path in --config or FARTHING_CONFIG.") from fault
    except UnicodeDecodeError as fault:
        raise ConfigError(f"{path} is not UTF-8 text (byte {fault.start}). Save it as UTF-8.") from fault
    except tomllib.TOMLDecodeError as fault:
        raise ConfigError(f"{path} is not valid TOML: {fault}. Mend that line.") from fault


def decode(raw: Raw, source: str) -> Config:
    """The typed tree, or every mistake at once."""
    mistakes = [*_secrets(raw, "")] or [*_mistakes(Config, raw, "")]
    if mistakes:
        raise ConfigError("\n".join(f"{source}: {mistake}" for mistake in mistakes))
    return msgspec.convert(raw, Config)


def nearest(name: str, known: Mapping[str, object] | list[str] | tuple[str, ...]) -> str | None:
    """The known name that looks most like this one."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1)), None)


def _secrets(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in cast(Raw, value).items():
            where = f"{path}.{key}" if path else key
            if isinstance(inner, str) and inner and _SECRET_KEY.fullmatch(key):
                yield f'{where} holds a secret. Put it into an environment variable and name that variable: api_key_env = "MY_KEY".'
            else:
                yield from _secrets(inner, where)
    elif isinstance(value, list):
        for row, inner in enumerate(cast(list[Any], value)):
            yield from _secrets(inner, f"{path}[{row}]")
    elif isinstance(value, str) and _SECRET_VALUE.fullmatch(value):
        yield f'{path} looks like a secret. Put it into an environment variable and name that variable: api_key_env = "MY_KEY".'


def _mistakes(hint: tree.Hint, given: Any, path: str) -> Iterator[str]:
    inner = tree.bare(hint)
    if tree.is_struct(inner):
        yield from _in_table(inner, given, path)
    elif (held := tree.named_of(inner)) is not None and isinstance(given, dict):
        for name, value in cast(Raw, given).items():
            yield from _mistakes(held, value, f"{path}.{name}")
    elif (held := tree.item_of(inner)) is not None and isinstance(given, list):
        rows = cast(list[Any], given)
        for row, value in enumerate(rows):
            yield from _mistakes(held, value, f"{path}[{row}]")
        if len(rows) < (least := tree.least_items(hint)):
            yield f"{path} has {len(rows)}; expected at least {least}. {tree.description(hint)}".rstrip()
    else:
        yield from _in_value(hint, given, path)


def _in_table(table: type[msgspec.Struct], given: Any, path: str) -> Iterator[str]:
    if not isinstance(given, dict):
        yield f"{path} is {_shown(given)}; expected a table: [{path}]."
        return
    known, values = tree.children(table), cast(Raw, given)
    for key, value in values.items():
        where = f"{path}.{key}" if path else key
        if key in known:
            yield from _mistakes(known[key], value, where)
        else:
            yield _unknown(where, path, key, known)
    for field in msgspec.structs.fields(table):
        if field.required and field.name not in values:
            yield f"{path}.{field.name} is missing; expected {tree.expectation(known[field.name])}. {tree.description(known[field.name])}"


def _in_value(hint: tree.Hint, given: Any, path: str) -> Iterator[str]:
    try:
        msgspec.convert(given, hint)
    except msgspec.ValidationError:
        yield f"{path} is {_shown(given)}; expected {tree.expectation(hint)}. {tree.description(hint)}".rstrip()
        return
    if path.endswith("_env") and isinstance(given, str) and not _VARIABLE.fullmatch(given):
        yield f"{path} must be the name of an environment variable, such as OPENAI_API_KEY."


def _unknown(where: str, path: str, key: str, known: Mapping[str, object]) -> str:
    sibling = nearest(key, known)
    suggestion = (f"{path}.{sibling}" if path else sibling) if sibling else _elsewhere(key)
    hint = f"Did you mean '{suggestion}'?" if suggestion else f"Known here: {', '.join(known)}."
    return f"unknown key '{where}'. {hint}"


def _elsewhere(key: str) -> str | None:
    """The key of another table that looks most like this one."""
    shallow = [entry.path for entry in tree.all_keys() if entry.path.count("<name>") < 2]
    paths = {path.rpartition(".")[2]: path for path in reversed(shallow)}
    near = nearest(key, paths)
    return paths[near] if near else None


def _shown(given: Any) -> str:
    if isinstance(given, dict):
        return "a table"
    if isinstance(given, list):
        return "a list"
    if isinstance(given, bool):
        return "true" if given else "false"
    return f"{given!r} (text)" if isinstance(given, str) else repr(given)
