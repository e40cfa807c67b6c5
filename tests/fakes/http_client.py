"""A bare HTTP/1.1 client on asyncio streams: cheap enough for hundreds at once, and it hides nothing.

`Connection` keeps one socket; `post` opens one for a single request. A connection that breaks before the whole answer raises
`ConnectionError`, so an answer that is returned is an answer that was acknowledged.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def fields(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        """Error code in the OpenAI envelope."""
        return self.fields["error"].get("code")


class Connection:
    """One keep-alive connection."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> "Connection":
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    def close(self) -> None:
        """Hang up at once."""
        self.writer.transport.abort()

    async def send(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        fields = {"host": f"127.0.0.1:{self._port}", "content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n"
        self.writer.write(head.encode("latin-1") + body)
        await self.writer.drain()

    async def head(self) -> tuple[int, dict[str, str]]:
        try:
            raw = await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as cut:
            raise ConnectionResetError("closed before the head") from cut
        first, *lines = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return int(first.split(" ")[1]), {name.lower(): value.strip() for name, _, value in pairs}

    async def pieces(self, headers: Mapping[str, str]) -> AsyncIterator[bytes]:
        """The body, as it comes."""
        try:
            if headers.get("transfer-encoding") == "chunked":
                while size := int((await self.reader.readuntil(b"\r\n")).strip(), 16):
                    yield await self.reader.readexactly(size)
                    await self.reader.readexactly(2)
                await self.reader.readuntil(b"\r\n")
            elif "content-length" in headers:
                yield await self.reader.readexactly(int(headers["content-length"]))
            else:
                yield await self.reader.read()
        except asyncio.IncompleteReadError as cut:
            raise ConnectionResetError("closed before the end of the body") from cut

    async def answer(self) -> Answer:
        status, headers = await self.head()
        return Answer(status, headers, b"".join([piece async for piece in self.pieces(headers)]))

    async def post(self, path: str, fields: Any, headers: Mapping[str, str] | None = None) -> Answer:
        await self.send("POST", path, fields if isinstance(fields, bytes) else json.dumps(fields).encode(), headers)
        return await self.answer()


async def post(port: int, path: str, fields: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """One request on a connection of its own."""
    async with Connection(port) as connection:
        return await connection.post(path, fields, headers)


async def get(port: int, path: str, headers: Mapping[str, str] | None = None) -> Answer:
    async with Connection(port) as connection:
        await connection.send("GET", path, headers=headers)
        return await connection.answer()


def chat(text: str, *, stream: bool = False, model: str = "gpt-4o-mini", **more: Any) -> dict[str, Any]:
    """A chat body."""
    return {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream, **more}


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}
