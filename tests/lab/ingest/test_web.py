"""Documents from the web: only from hosts that were named, and what does not come is told."""

import asyncio

import pytest

from farthing import config
from farthing.core.errors import AddressRefused, UpstreamTimeout
from farthing.core.web import WebReply, WebRequest
from farthing.lab.ingest.files import Wanted
from farthing.lab.ingest.web import fetched, listed

SETTINGS = config.Retrieve(url_hosts=("docs.example", "inner.example:8080"), url_private_hosts=("inner.example:8080",), max_file_mb=1.0)


class Web:
    """Gives the same answer, or raises the same error, to every request."""

    def __init__(self, reply: WebReply | Exception) -> None:
        self.reply = reply
        self.asked: list[WebRequest] = []

    async def __call__(self, asked: WebRequest) -> WebReply:
        self.asked.append(asked)
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply


def get(url: str, reply: WebReply | Exception) -> tuple[Wanted, Web]:
    web = Web(reply)
    return asyncio.run(fetched(url, web, SETTINGS, now_s=100.0)), web


@pytest.mark.parametrize(
    ("url", "kind", "suffix"),
    [
        ("https://docs.example/help", "text/html; charset=utf-8", ".html"),
        ("https://docs.example/help.md?v=2", "text/plain", ".md"),
        ("https://docs.example/a.pdf", "application/octet-stream", ".pdf"),
        ("https://docs.example/notes", "text/plain", ".txt"),
    ],
)
def test_what_comes_is_read_as_what_it_is(url: str, kind: str, suffix: str) -> None:
    wanted, web = get(url, WebReply(200, kind, b"words"))
    assert (wanted.problem, wanted.path.suffix, wanted.blob) == (None, suffix, b"words")
    assert wanted.name == url.removeprefix("https://")
    assert wanted.where == url
    assert (web.asked[0].host, web.asked[0].deadline_s, web.asked[0].max_bytes, web.asked[0].private_ok) == ("docs.example", 120.0, 1_000_000, False)


def test_a_private_address_is_asked_only_where_it_was_named() -> None:
    assert get("http://inner.example:8080/a.md", WebReply(200, "text/markdown", b"# A"))[1].asked[0].private_ok


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/a.md",
        "https://docs.example@evil.example/a.md",
        "https://docs.example:8443/a.md",
        "file:///etc/passwd",
        "https://docs.example/a#b",
        "x",
    ],
)
def test_no_other_host_is_asked(url: str) -> None:
    wanted, web = get(url, WebReply(200, "text/html", b"x"))
    assert wanted.problem
    assert web.asked == []


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (WebReply(404, "text/html", b"no"), "status 404"),
        (WebReply(200, "image/png", b"x"), "is image/png"),
        (WebReply(200, "", b"x"), "of no known type"),
        (UpstreamTimeout("docs.example:443 had not answered in time."), "in time"),
        (AddressRefused("... name 'x' in `private_hosts` of the flow."), "retrieve.url_private_hosts"),
    ],
)
def test_what_does_not_come_is_told(reply: WebReply | Exception, said: str) -> None:
    problem = get("https://docs.example/help", reply)[0].problem
    assert problem is not None
    assert said in problem


def test_a_list_is_one_address_a_line() -> None:
    assert listed("# ours\nhttps://a.example/x\n\n  https://b.example/y  \nhttps://a.example/x\n") == ["https://a.example/x", "https://b.example/y"]
