"""A running gateway, asked over HTTP: what commands need that work on it and not on its files."""

import http.client
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

GatewayUrl = Annotated[str | None, typer.Option("--url", help="The gateway; default: $FARTHING_URL, then http://127.0.0.1:8080.")]
GatewayKey = Annotated[str | None, typer.Option("--key", help="A virtual key; default: $FARTHING_KEY. An open gateway needs none.")]

_TIMEOUT_S = 60.0
_PIECE_BYTES = 262_144


class Refused(Exception):
    """The gateway said no, or is not there; the words are for people."""


class RemoteGateway:
    """One connection per question: commands ask few."""

    def __init__(self, url: str | None, key: str | None) -> None:
        self.url = (url or os.environ.get("FARTHING_URL") or "http://127.0.0.1:8080").rstrip("/").removesuffix("/v1")
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Refused(f"{self.url!r} is no address of a gateway; expected something like http://127.0.0.1:8080.")
        self._secure, self._host, self._port, self._path = parts.scheme == "https", parts.hostname, parts.port, parts.path
        secret = key or os.environ.get("FARTHING_KEY")
        self._headers = {"authorization": f"Bearer {secret}"} if secret else {}

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON that it answers. Raises `Refused`."""
        sent = None if body is None else json.dumps(body).encode()
        answer = self._send(method, path, sent, {} if sent is None else {"content-type": "application/json"})
        return json.loads(answer.read())

    def upload(self, file: Path, purpose: str) -> Any:
        """The file, piece by piece, as the form that OpenAI's SDKs send."""
        mark = "farthing-form-boundary-7f3a"
        head = f'--{mark}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\n{purpose}\r\n'
        head += f'--{mark}\r\ncontent-disposition: form-data; name="file"; filename="{file.name.replace(chr(34), "_")}"\r\n\r\n'
        tail = f"\r\n--{mark}--\r\n".encode()
        size = len(head.encode()) + file.stat().st_size + len(tail)
        headers = {"content-type": f"multipart/form-data; boundary={mark}", "content-length": str(size)}
        return json.loads(self._send("POST", "/v1/files", _form(head.encode(), file, tail), headers).read())

    def download(self, path: str) -> Iterator[bytes]:
        """The content, piece by piece."""
        answer = self._send("GET", path, None, {})
        while piece := answer.read(_PIECE_BYTES):
            yield piece

    def _send(self, method: str, path: str, body: bytes | Iterator[bytes] | None, headers: dict[str, str]) -> http.client.HTTPResponse:
        made = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = made(self._host, self._port, timeout=_TIMEOUT_S)
        try:
            connection.request(method, self._path + path, body, self._headers | headers)
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise Refused(f"No gateway answers at {self.url}: {error}. Start one with 'farthing serve', or name it with --url.") from error
        if answer.status >= 400:
            raise Refused(_reason(answer))
        return answer


def _form(head: bytes, file: Path, tail: bytes) -> Iterator[bytes]:
    yield head
    with file.open("rb") as content:
        while piece := content.read(_PIECE_BYTES):
            yield piece
    yield tail


def _reason(answer: http.client.HTTPResponse) -> str:
    try:
        said: Any = json.loads(answer.read())
        return f"{said['error']['message']} ({answer.status})"
    except (ValueError, KeyError, TypeError):
        return f"The gateway answered {answer.status} {answer.reason}."
