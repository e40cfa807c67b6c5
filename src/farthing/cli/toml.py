"""A configuration as TOML that `farthing.toml` takes back, each key with where its value came from."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import msgspec

from farthing.settings import Loaded, tree

Path = tuple[str, ...]


def effective(loaded: Loaded, raw: Mapping[str, Any], *, describe: bool) -> str:
    """The whole configuration. `raw` is what the file says; the rest came from `loaded.origins` or is a default."""
    writer = _Writer(loaded, raw, describe)
    return "\n".join(writer.table(loaded.config, ())).strip() + "\n"


def value_text(value: Any) -> str:
    """A plain value as TOML writes it."""
    if isinstance(value, tuple | list):
        return f"[{', '.join(value_text(item) for item in cast(tuple[Any, ...], value))}]"
    return msgspec.json.encode(value).decode()


class _Writer:
    def __init__(self, loaded: Loaded, raw: Mapping[str, Any], describe: bool) -> None:
        self._loaded = loaded
        self._raw = raw
        self._describe = describe

    def table(self, table: msgspec.Struct, path: Path) -> Iterator[str]:
        """Plain keys first, then the tables in it, as TOML wants."""
        hints = tree.children(type(table))
        defaults = {field.name: field.default for field in msgspec.structs.fields(table)}
        values = {name: getattr(table, name) for name in hints}
        for name, value in values.items():
            if not _is_table(value):
                if self._describe:
                    yield f"# {tree.description(hints[name])} ({tree.expectation(hints[name])})"
                yield self._line((*path, name), value, is_default=value == defaults[name])
        for name, value in values.items():
            if _is_table(value):
                yield from self._tables((*path, name), value, tree.description(hints[name]))

    def _line(self, path: Path, value: Any, *, is_default: bool) -> str:
        if value is None:
            return f"# {path[-1]} =  # unset"
        return f"{_quoted(path[-1])} = {value_text(value)}  # {self._origin(path, is_default=is_default)}"

    def _tables(self, path: Path, value: Any, description: str) -> Iterator[str]:
        """A table, a table of named tables, a table of plain values, or a list of tables."""
        if isinstance(value, msgspec.Struct):
            yield from self._headed("[{}]", path, value, description)
        elif isinstance(value, tuple):
            for row in cast(tuple[msgspec.Struct, ...], value):
                yield from self._headed("[[{}]]", path, row, description)
        else:
            named = cast(dict[str, Any], value)
            plain = {name: inner for name, inner in named.items() if not isinstance(inner, msgspec.Struct)}
            if plain:
                yield from ["", f"[{_joined(path)}]", *(self._line((*path, name), inner, is_default=False) for name, inner in plain.items())]
            for name in (name for name in named if name not in plain):
                yield from self._headed("[{}]", (*path, name), named[name], description)

    def _headed(self, header: str, path: Path, table: msgspec.Struct, description: str) -> Iterator[str]:
        yield ""
        if self._describe:
            yield f"# {description}"
        yield header.format(_joined(path))
        yield from self.table(table, path)

    def _origin(self, path: Path, *, is_default: bool) -> str:
        if _is_in(self._raw, path):
            return self._loaded.source
        if is_default:
            return "default"
        return next(
            (self._loaded.origins[start] for start in (".".join(path[:depth]) for depth in (1, 2)) if start in self._loaded.origins), "default"
        )


def _is_table(value: Any) -> bool:
    if isinstance(value, tuple):
        return any(isinstance(item, msgspec.Struct) for item in cast(tuple[Any, ...], value))
    return isinstance(value, msgspec.Struct | dict)


def _joined(path: Path) -> str:
    return ".".join(_quoted(name) for name in path)


def _quoted(name: str) -> str:
    return name if name and all(char.isascii() and (char.isalnum() or char in "-_") for char in name) else value_text(name)


def _is_in(raw: Any, path: Path) -> bool:
    """Whether the file says so itself. A list of tables is taken as one."""
    here: Any = raw
    for name in path:
        if isinstance(here, list):
            return True
        if not isinstance(here, dict) or name not in here:
            return False
        here = cast(dict[str, Any], here)[name]
    return True
