"""Reading a request that is to be translated: what has no counterpart is refused by name, never dropped.

Bodies are decoded into structs that list every field we can translate, or that may stand at a value which asks for nothing; an unlisted field or an
unlisted kind of part is an `UnsupportedFeature`, a wrong type an `InvalidRequest`, each with the path of the field as `param`.
"""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from farthing.core.errors import InvalidRequest, TooDeep, UnsupportedFeature
from farthing.wire.peek import bad_json, wrong_field

T = TypeVar("T")

_UNKNOWN_FIELD = re.compile(r"contains unknown field `([^`]*)`")
_UNKNOWN_KIND = re.compile(r"Invalid (?:enum )?value '?([^ ']*)'?")
_PATH = re.compile(r" - at `\$\.?(.*)`$")


def unsupported(field: str, why: str = "it has no counterpart in the dialect of the chosen model") -> UnsupportedFeature:
    """The error for a feature that cannot be translated."""
    return UnsupportedFeature(f"'{field}' cannot be translated: {why}. Leave it out, or choose a model that speaks your dialect.", param=field)


def decode(decoder: "msgspec.json.Decoder[T]", body: bytes | msgspec.Raw, at: str = "") -> T:
    """Decode strictly. `at` is the path of this piece within the body."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _refusal(error, at) from None
    except RecursionError:
        raise TooDeep("The body nests too deep. Flatten it.") from None
    except ValueError as error:
        raise bad_json(bytes(body), error) from None


def refuse_unless(fields: Mapping[str, tuple[Any, ...]], request: msgspec.Struct) -> None:
    """Raise for the first field that is neither null nor at one of the values that ask for nothing."""
    for name, harmless in fields.items():
        value = getattr(request, name)
        if value is not None and value not in harmless:
            raise unsupported(name)


def _refusal(error: msgspec.ValidationError, at: str) -> InvalidRequest:
    text = str(error)
    found = _PATH.search(text)
    path = _join(at, found[1] if found else "")
    if unknown := _UNKNOWN_FIELD.search(text):
        return unsupported(_join(path, unknown[1]))
    if kind := _UNKNOWN_KIND.search(text):
        return unsupported(path, f"'{kind[1]}' has no counterpart in the dialect of the chosen model")
    return wrong_field(error, at)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name and not name.startswith("[") else path + name
