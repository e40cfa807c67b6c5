"""multipart/form-data (RFC 7578), read as it comes: what one upload form needs, and bounded in every direction.

A part's content is passed on in pieces and never gathered here; heads and the number of parts have limits. Anything that is not well formed is a
typed 400.
"""

import re
from collections.abc import Iterator
from email.message import Message

import msgspec

from farthing.core.errors import InvalidRequest

_HEAD_BYTES = 2048
_MOST_PARTS = 16
_BOUNDARY = re.compile(r"[0-9a-zA-Z'()+_,\-./:=? ]{1,70}")


class PartBegins(msgspec.Struct, frozen=True):
    name: str
    filename: str | None


class PartData(msgspec.Struct, frozen=True):
    data: bytes


class PartEnds(msgspec.Struct, frozen=True):
    pass


Event = PartBegins | PartData | PartEnds


def boundary_of(content_type: str) -> bytes:
    """Raises `InvalidRequest` where this is no form."""
    head = Message()
    head["content-type"] = content_type
    found = head.get_param("boundary")
    if head.get_content_type() != "multipart/form-data" or not isinstance(found, str) or not _BOUNDARY.fullmatch(found):
        raise InvalidRequest("Send the file as multipart/form-data, with the fields 'purpose' and 'file'.", param="content-type")
    return found.encode("latin-1")


class Form:
    """Feed it the body; it tells what the form holds."""

    def __init__(self, boundary: bytes) -> None:
        self._mark = b"\r\n--" + boundary
        self._rest = b"\r\n"  # the first boundary has no line before it
        self._state = "preamble"
        self._parts = 0

    @property
    def ended(self) -> bool:
        """The closing boundary was seen."""
        return self._state == "ended"

    def feed(self, data: bytes) -> Iterator[Event]:
        """Raises `InvalidRequest`. What comes behind the closing boundary is nobody's, and is dropped."""
        if self.ended:
            return
        self._rest += data
        while True:
            if self._state in ("preamble", "content"):
                inside, found = self._state == "content", self._rest.find(self._mark)
                if found < 0:
                    keep = len(self._mark) - 1
                    ready, self._rest = self._rest[:-keep], self._rest[-keep:]
                    if ready and inside:
                        yield PartData(ready)
                    return
                ready, self._rest = self._rest[:found], self._rest[found + len(self._mark) :]
                if inside:
                    if ready:
                        yield PartData(ready)
                    yield PartEnds()
                self._state = "boundary"
            if self._state == "boundary":
                if len(self._rest) < 2:
                    return
                self._after_boundary()
            if self._state == "head":
                head, end, rest = self._rest.partition(b"\r\n\r\n")
                if len(head) > _HEAD_BYTES:
                    raise InvalidRequest(f"The head of a part of the form is larger than {_HEAD_BYTES} bytes.")
                if not end:
                    return
                self._rest, self._state = rest, "content"
                yield self._begins(head)
            if self._state == "ended":
                return

    def _after_boundary(self) -> None:
        if self._rest.startswith(b"--"):
            self._state, self._rest = "ended", b""
        elif self._rest.startswith(b"\r\n"):
            self._state = "head"
        else:
            raise InvalidRequest("The form is not well formed: its boundary is followed by neither a line break nor '--'.")

    def _begins(self, head: bytes) -> PartBegins:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise InvalidRequest(f"The form has more than {_MOST_PARTS} parts. Send 'purpose' and 'file'.")
        said = Message()
        for line in head.decode("utf-8", "replace").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon and name.strip().lower() == "content-disposition":
                said["content-disposition"] = value.strip()
        name = said.get_param("name", header="content-disposition")
        if said.get_content_disposition() != "form-data" or not isinstance(name, str):
            raise InvalidRequest("A part of the form has no name. Send 'purpose' and 'file'.")
        return PartBegins(name, said.get_filename())
