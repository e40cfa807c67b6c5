"""Events come out whole, whatever the line ends and wherever the bytes were cut."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.core.errors import UpstreamBroken
from farthing.wire.sse import EventSplitter, encode, event_data, event_name

STREAM = "event: a\ndata: {é}\n\n: comment\n\ndata: one\ndata: two\n\ndata:[DONE]\n\n"
PAYLOADS = ["{é}".encode(), None, b"one\ntwo", b"[DONE]"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_cut_at_every_position(line_end: str) -> None:
    stream = STREAM.replace("\n", line_end).encode()
    for cut in range(len(stream) + 1):
        splitter = EventSplitter()
        events = splitter.feed(stream[:cut]) + splitter.feed(stream[cut:])
        assert b"".join(events) + splitter.rest == stream
        assert [event_data(event) for event in events] == PAYLOADS
        assert event_name(events[0]) == "a"
        assert splitter.rest == b""


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_one_byte_at_a_time(line_end: str) -> None:
    splitter = EventSplitter()
    events = [event for byte in STREAM.replace("\n", line_end).encode() for event in splitter.feed(bytes([byte]))]
    assert [event_data(event) for event in events] == PAYLOADS


def test_what_has_not_ended_is_kept() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: a\n\ndata: b\n") == [b"data: a\n\n"]
    assert splitter.rest == b"data: b\n"


@pytest.mark.parametrize("cut", [1, 50, 99, 150])
def test_an_event_too_large_breaks(cut: int) -> None:
    stream = b"data: " + b"x" * 150 + b"\n\n"
    splitter = EventSplitter(max_event_bytes=100)
    with pytest.raises(UpstreamBroken, match="100 bytes"):
        (splitter.feed(stream[:cut]), splitter.feed(stream[cut:]))


def test_many_small_events_are_not_one_large() -> None:
    assert len(EventSplitter(max_event_bytes=20).feed(b"data: x\n\n" * 50)) == 50


@pytest.mark.parametrize(
    ("event", "payload", "name"),
    [
        (b"data: x\n\n", b"x", None),
        (b"data:x\n\n", b"x", None),
        (b"data:  x\n\n", b" x", None),
        (b"data\n\n", b"", None),
        (b": ping\n\n", None, None),
        (b"\n\n", None, None),
        (b"event: ping\ndata: {}\n\n", b"{}", "ping"),
        (b"id: 7\r\nevent:message\r\ndata: a\r\ndata: b\r\n\r\n", b"a\nb", "message"),
        (b"\xef\xbb\xbfdata: x\n\n", b"x", None),
        (b"database: x\n\n", None, None),
    ],
)
def test_fields(event: bytes, payload: bytes | None, name: str | None) -> None:
    assert event_data(event) == payload
    assert event_name(event) == name


def test_encode() -> None:
    assert encode(b"{}") == b"data: {}\n\n"
    assert encode(b"a\nb", "error") == b"event: error\ndata: a\ndata: b\n\n"


@settings(max_examples=300, deadline=None)
@given(payloads=st.lists(st.binary(max_size=20).filter(lambda payload: b"\r" not in payload)), cuts=st.lists(st.integers(0, 400)))
def test_what_is_encoded_comes_back(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(encode(payload) for payload in payloads)
    splitter = EventSplitter()
    events: list[bytes] = []
    edges = [0, *sorted(cuts), len(stream)]
    for start, end in pairwise(edges):
        events += splitter.feed(stream[start:end])
    assert [event_data(event) for event in events] == payloads


@settings(max_examples=300, deadline=None)
@given(stream=st.text("ab:\r\n ", max_size=60).map(str.encode), cut=st.integers(0, 60))
def test_any_text_gives_the_same_payloads_however_cut(stream: bytes, cut: int) -> None:
    whole, parts = EventSplitter(), EventSplitter()
    events = parts.feed(stream[:cut]) + parts.feed(stream[cut:])
    assert b"".join(events) + parts.rest == stream
    assert _payloads(events) == _payloads(whole.feed(stream))


def _payloads(events: list[bytes]) -> list[bytes]:
    return [payload for event in events if (payload := event_data(event)) is not None]
