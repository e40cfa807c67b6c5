"""Documents from the web: only from hosts that the configuration names, bounded in time and size.

Guarantees: a request goes to a host of `retrieve.url_hosts` and nowhere else (models/fetch.py refuses private addresses and redirects); what
does not come, or is no document, is reported with its address, and the rest goes on.
"""

import re
from pathlib import Path

from farthing.brain.flows.place import place_mistakes, place_of
from farthing.brain.ports import Fetch
from farthing.config import Retrieve
from farthing.core.errors import FarthingError
from farthing.core.web import WebReply, WebRequest
from farthing.lab.ingest.files import Wanted
from farthing.lab.ingest.parse import READERS

_TYPES = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "text/markdown": ".md",
    "text/plain": ".txt",
    "application/pdf": ".pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
}
_ACCEPT = ("accept", "text/html, text/markdown, text/plain, application/pdf, application/vnd.openxmlformats-officedocument.wordprocessingml.document")
_IS_URL = re.compile(r"https?://", re.IGNORECASE)


def is_url(text: str) -> bool:
    return _IS_URL.match(text) is not None


def listed(text: str) -> list[str]:
    """The addresses of a list: one a line, empty lines and what follows a '#' at a line's beginning left out."""
    lines = (line.strip() for line in text.splitlines())
    return list(dict.fromkeys(line for line in lines if line and not line.startswith("#")))


async def fetched(url: str, fetch: Fetch, settings: Retrieve, *, now_s: float) -> Wanted:
    """The document at that address. What is wrong with it is its `problem`."""
    mistake = next(place_mistakes("the address", url, settings.url_hosts), None)
    if mistake is not None:
        return _unusable(url, mistake.replace("`hosts` of the flow", "`retrieve.url_hosts`"))
    place = place_of(url)
    asked = WebRequest(
        method="GET",
        tls=place.tls,
        host=place.host,
        port=place.port,
        target=place.target,
        body=b"",
        headers=(_ACCEPT,),
        deadline_s=now_s + settings.url_timeout_s,
        max_bytes=int(settings.max_file_mb * 1e6),
        private_ok=place.listed in {one.lower() for one in settings.url_private_hosts},
    )
    try:
        reply = await fetch(asked)
    except FarthingError as error:
        return _unusable(url, error.message.replace("`private_hosts` of the flow", "`retrieve.url_private_hosts`"))
    return _document(url, place.target, reply)


def _document(url: str, target: str, reply: WebReply) -> Wanted:
    if not 200 <= reply.status < 300:
        return _unusable(url, f"answered with status {reply.status}")
    kind = reply.content_type.partition(";")[0].strip().lower()
    own = Path(target.partition("?")[0]).suffix.lower()
    suffix = own if own in READERS and kind in ("", "text/plain", "application/octet-stream") else _TYPES.get(kind)
    if suffix is None:
        return _unusable(url, f"is {kind or 'of no known type'}; what is read: {', '.join(sorted(_TYPES))}")
    name = re.sub(r"^https?://", "", url, flags=re.IGNORECASE).replace("@", "%40")
    return Wanted(Path(f"page{suffix}"), name, blob=reply.body, address=url)


def _unusable(url: str, problem: str) -> Wanted:
    return Wanted(Path("page"), url, problem, address=url)
