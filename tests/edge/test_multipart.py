"""Forms are read as they come: however they are cut, the same parts; what is not well formed is a 400; nothing grows without a limit."""

import random
from email import policy
from email.parser import BytesParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as draws

from farthing.core.errors import InvalidRequest
from farthing.edge.multipart import Form, PartBegins, PartData, PartEnds, boundary_of

MARK = b"----x7"


def form(*parts: tuple[str, bytes], preamble: bytes = b"", epilogue: bytes = b"") -> bytes:
    """Parts as head and content."""
    body = b"".join(b"--%b\r\n%b\r\n\r\n%b\r\n" % (MARK, head.encode(), content) for head, content in parts)
    return preamble + body + b"--%b--\r\n" % MARK + epilogue


def named(name: str, filename: str | None = None) -> str:
    return f'Content-Disposition: form-data; name="{name}"' + (f'; filename="{filename}"' if filename else "")


def read(body: bytes, cuts: list[int] | None = None) -> list[tuple[str, str | None, bytes]]:
    """Name, file name and content of each part."""
    reader, found = Form(MARK), list[tuple[str, str | None, bytes]]()
    content: list[bytes] | None = None
    ends = [*sorted(cuts or []), len(body)]
    for begin, end in zip([0, *ends], ends, strict=False):
        for event in reader.feed(body[begin:end]):
            match event:
                case PartBegins(name, filename):
                    assert content is None
                    content, head = [], (name, filename)
                case PartData(data):
                    assert content is not None
                    content.append(data)
                case PartEnds():
                    assert content is not None
                    found.append((*head, b"".join(content)))
                    content = None
    assert reader.ended
    return found


UPLOAD = form((named("purpose"), b"batch"), (named("file", "in.jsonl") + "\r\nContent-Type: application/jsonl", b'{"a":1}\r\n{"b":2}\r\n'))


def test_an_upload_as_the_sdk_sends_it() -> None:
    assert read(UPLOAD) == [("purpose", None, b"batch"), ("file", "in.jsonl", b'{"a":1}\r\n{"b":2}\r\n')]


def test_what_stands_before_and_behind_the_form_is_nothing() -> None:
    assert read(form((named("a"), b"1"), preamble=b"hello\r\n", epilogue=b"--bye")) == [("a", None, b"1")]


@settings(deadline=None)
@given(draws.data())
def test_however_a_form_is_cut_it_holds_the_same(data: draws.DataObject) -> None:
    nasty = draws.lists(draws.sampled_from([b"\r\n", b"--", MARK, b"\r\n--", b"\r", b"\n", b"-", b"x", b"\0\xff"]), max_size=12).map(b"".join)
    contents = data.draw(draws.lists(nasty.filter(lambda content: b"\r\n--" + MARK not in b"\r\n" + content), max_size=4))
    body = form(*((named(f"n{at}", f"f{at}"), content) for at, content in enumerate(contents)))
    cuts = data.draw(draws.lists(draws.integers(0, len(body)), max_size=20))
    assert read(body, cuts) == [(f"n{at}", f"f{at}", content) for at, content in enumerate(contents)]


@settings(deadline=None)
@given(draws.lists(draws.binary(max_size=300).filter(lambda content: MARK not in content), min_size=1, max_size=5), draws.randoms())
def test_it_agrees_with_the_standard_library(contents: list[bytes], draw: random.Random) -> None:
    body = form(*((named(f"n{at}"), content) for at, content in enumerate(contents)))
    head = b'content-type: multipart/form-data; boundary="%b"\r\n\r\n' % MARK
    parsed = BytesParser(policy=policy.HTTP).parsebytes(head + body)
    names = [part.get_param("name", header="content-disposition") for part in parsed.iter_parts()]
    found = read(body, [draw.randrange(len(body)) for _ in range(6)])
    assert [name for name, _, _ in found] == names
    assert [content for *_, content in found] == contents


def test_content_is_passed_on_and_never_gathered() -> None:
    reader = Form(MARK)
    begun = list(reader.feed(b"--%b\r\n%b\r\n\r\n" % (MARK, named("file", "f").encode())))
    assert begun == [PartBegins("file", "f")]
    for _ in range(100):
        assert sum(len(event.data) for event in reader.feed(b"y" * 65_536) if isinstance(event, PartData)) >= 65_536 - len(MARK) - 4
        assert len(reader._rest) <= len(MARK) + 4


def test_what_stands_outside_the_parts_takes_no_room() -> None:
    reader = Form(MARK)
    for _ in range(20):
        assert not list(reader.feed(b"\r\n-" * 10_000))
        assert len(reader._rest) <= len(MARK) + 4
    assert [type(event) for event in reader.feed(b"\r\n" + form((named("a"), b"1")))] == [PartBegins, PartData, PartEnds]
    for _ in range(20):
        assert not list(reader.feed(b"more" * 10_000))
    assert not reader._rest


@pytest.mark.parametrize(
    ("body", "match"),
    [
        (b"--" + MARK + b"x\r\n", "followed by neither"),
        (form(("content-type: text/plain", b"1")), "has no name"),
        (form(("content-disposition: attachment; name=a", b"1")), "has no name"),
        (b"--" + MARK + b"\r\nx: " + b"y" * 3000, "head of a part"),
        (form(("x: " + "y" * 3000 + "\r\n" + named("a"), b"1")), "head of a part"),
        (form(*[(named("a"), b"")] * 17), "more than 16 parts"),
    ],
)
def test_what_is_not_well_formed_is_refused(body: bytes, match: str) -> None:
    with pytest.raises(InvalidRequest, match=match):
        read(body)


def test_a_form_that_was_cut_off_has_not_ended() -> None:
    reader = Form(MARK)
    list(reader.feed(UPLOAD[:-8]))
    assert not reader.ended


@pytest.mark.parametrize(
    "kind", ["application/json", "multipart/form-data", "multipart/form-data; boundary=", "multipart/mixed; boundary=a", "x\r\ny", ""]
)
def test_what_is_no_form_is_refused(kind: str) -> None:
    with pytest.raises(InvalidRequest, match="multipart/form-data"):
        boundary_of(kind)


def test_boundaries() -> None:
    assert boundary_of("multipart/form-data; boundary=abc") == b"abc"
    assert boundary_of('Multipart/Form-Data; charset=utf-8; boundary="a b:c"') == b"a b:c"
