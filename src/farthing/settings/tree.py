"""The configuration tree, read off its own types: every key with its path, what it takes, its default and its description.

One source for the error messages, `farthing config show --describe` and docs/config.md.
"""

import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
import msgspec.inspect as reflect

from farthing.config import Config

Hint = Any  # a type annotation, as `typing.get_type_hints` gives it

_NUMBERS = {reflect.IntType: "whole number", reflect.FloatType: "number"}


class Key(msgspec.Struct, frozen=True):
    """One key that can stand in farthing.toml. `<name>` in a path is a name of the user's own, `[]` a row of a list."""

    path: str
    expects: str
    default: str  # as TOML; empty: unset
    description: str
    is_table: bool


def all_keys() -> tuple[Key, ...]:
    """Every key, tables before what they hold, in the order of the config room."""
    return tuple(_keys_of(Config, ""))


def children(table: type[msgspec.Struct]) -> dict[str, Hint]:
    """The keys that a table takes, with their annotations."""
    return typing.get_type_hints(table, include_extras=True)


def bare(hint: Hint) -> Hint:
    """The type itself, without its description, its bounds and its `| None`."""
    if get_origin(hint) is Annotated:
        return bare(get_args(hint)[0])
    if isinstance(hint, types.UnionType) or get_origin(hint) is typing.Union:
        return bare(next(arm for arm in get_args(hint) if arm is not types.NoneType))
    return hint


def is_struct(hint: Hint) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def item_of(hint: Hint) -> Hint | None:
    """What a list (`tuple[X, ...]`) holds; `None` when it is no list."""
    return get_args(hint)[0] if get_origin(hint) is tuple else None


def named_of(hint: Hint) -> Hint | None:
    """What a table of named things (`dict[str, X]`) holds; `None` when it is none."""
    return get_args(hint)[1] if get_origin(hint) is dict else None


def expectation(hint: Hint) -> str:
    """What a key takes, in words: `whole number, 0 to 65535`."""
    inner = bare(hint)
    if get_origin(inner) is Literal:
        return "one of " + ", ".join(f'"{choice}"' for choice in get_args(inner))
    if (item := item_of(inner)) is not None:
        return f"list of {expectation(item)}"
    if named_of(inner) is not None or is_struct(inner):
        return "table"
    return {str: "text", bool: "true or false"}.get(inner) or _number(hint)


def _number(hint: Hint) -> str:
    node, words = reflect.type_info(hint), list[str]()
    while isinstance(node, reflect.Metadata | reflect.UnionType):
        if isinstance(node, reflect.UnionType):
            words += [f'"{word}"' for arm in node.types if isinstance(arm, reflect.LiteralType) for word in arm.values]
            node = next(arm for arm in node.types if not isinstance(arm, reflect.NoneType | reflect.LiteralType))
        else:
            node = node.type
    if not isinstance(node, reflect.IntType | reflect.FloatType):
        return "value"
    bounds = [f"{sign} {bound}" for sign, bound in (("above", node.gt), ("at least", node.ge), ("at most", node.le)) if bound is not None]
    if node.ge is not None and node.le is not None:
        bounds = [f"{node.ge} to {node.le}"]
    return ", ".join([_NUMBERS[type(node)], *bounds]) + (f"; or {', '.join(words)}" if words else "")


def _keys_of(table: type[msgspec.Struct], prefix: str) -> Iterator[Key]:
    hints = children(table)
    for field in msgspec.structs.fields(table):
        hint, path = hints[field.name], prefix + field.name
        default = "" if field.default in (None, msgspec.NODEFAULT) else field.default
        held, suffix = _held(bare(hint))
        yield Key(path, expectation(hint), "" if held else _toml(default), description(hint), held is not None)
        if held is not None:
            yield from _keys_of(held, f"{path}{suffix}.")


def _held(inner: Hint) -> tuple[type[msgspec.Struct] | None, str]:
    """The table that a key holds, and what stands between their names."""
    for candidate, suffix in ((inner, ""), (named_of(inner), ".<name>"), (item_of(inner), "[]")):
        if candidate is not None and is_struct(bare(candidate)):
            return bare(candidate), suffix
    return None, ""


def least_items(hint: Hint) -> int:
    """Fewest entries that a list may have."""
    notes = getattr(hint, "__metadata__", ())
    return next((note.min_length for note in notes if isinstance(note, msgspec.Meta) and note.min_length), 0)


def description(hint: Hint) -> str:
    """The words that the config room gives to a key; empty when it gives none."""
    notes = getattr(hint, "__metadata__", ())
    return next((note.description for note in notes if isinstance(note, msgspec.Meta) and note.description), "")


def _toml(value: object) -> str:
    return "" if value == "" else msgspec.json.encode(value).decode()
