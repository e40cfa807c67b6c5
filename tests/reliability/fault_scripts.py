"""What a broken model service does once it has read a request: one small coroutine per fault."""

import asyncio
import contextlib
import gzip
import socket
import struct
from collections.abc import Awaitable, Callable

ANSWER = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},'
    b'"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}'
)
CHUNK = b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"hello"}}]}\n\n'
STOP = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}\n\n'
)
DONE = b"data: [DONE]\n\n"
ERROR = b'{"error":{"message":"scripted","type":"server_error","code":null,"param":null}}'
MEGABYTE = 1 << 20


class Talk:
    """One request that was read, and the socket to misbehave on."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stream: bool, connection: int = 1, turn: int = 1) -> None:
        self.reader = reader
        self.writer = writer
        self.stream = stream
        self.connection = connection  # counted by the server
        self.turn = turn  # of the requests on this connection

    @property
    def kind(self) -> bytes:
        return b"text/event-stream" if self.stream else b"application/json"

    async def send(self, piece: bytes) -> None:
        self.writer.write(piece)
        await self.writer.drain()

    async def head(self, *lines: bytes, status: bytes = b"200 OK") -> None:
        await self.send(b"\r\n".join((b"HTTP/1.1 " + status, *lines)) + b"\r\n\r\n")

    async def reply(self, body: bytes, *lines: bytes, status: bytes = b"200 OK", kind: bytes | None = None) -> None:
        await self.head(b"content-type: " + (kind or self.kind), b"content-length: %d" % len(body), *lines, status=status)
        await self.send(body)

    async def chunk(self, piece: bytes) -> None:
        await self.send(b"%x\r\n%b\r\n" % (len(piece), piece))

    async def begin(self) -> None:
        """A good head, and half of a good answer."""
        if self.stream:
            await self.head(b"content-type: text/event-stream", b"transfer-encoding: chunked")
            await self.chunk(CHUNK)
        else:
            await self.head(b"content-type: application/json", b"content-length: %d" % len(ANSWER))
            await self.send(ANSWER[:40])

    async def hang(self) -> None:
        """Until the caller hangs up."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass

    async def reset(self) -> None:
        """RST, which also destroys what the other side has not read: give it time to."""
        await asyncio.sleep(0.05)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Talk], Awaitable[None]]


async def good(talk: Talk) -> None:
    await talk.reply(CHUNK + STOP + DONE if talk.stream else ANSWER)


async def reset_before_head(talk: Talk) -> None:
    await talk.reset()


async def close_before_head(talk: Talk) -> None:
    talk.writer.close()


async def reset_within_head(talk: Talk) -> None:
    await talk.send(b"HTTP/1.1 200 OK\r\ncontent-ty")
    await talk.reset()


async def close_within_head(talk: Talk) -> None:
    await talk.send(b"HTTP/1.1 200 OK\r\ncontent-ty")
    talk.writer.close()


async def reset_within_body(talk: Talk) -> None:
    await talk.begin()
    await talk.reset()


async def close_within_body(talk: Talk) -> None:
    await talk.begin()
    talk.writer.close()


async def close_within_chunk(talk: Talk) -> None:
    await talk.head(b"content-type: " + talk.kind, b"transfer-encoding: chunked")
    await talk.send(b"400\r\n" + CHUNK[:20])
    talk.writer.close()


async def hang_before_head(talk: Talk) -> None:
    await talk.hang()


async def hang_within_head(talk: Talk) -> None:
    await talk.send(b"HTTP/1.1 200 OK\r\ncontent-ty")
    await talk.hang()


async def hang_after_head(talk: Talk) -> None:
    await talk.head(b"content-type: " + talk.kind, b"transfer-encoding: chunked")
    await talk.hang()


async def hang_within_body(talk: Talk) -> None:
    await talk.begin()
    await talk.hang()


async def drip(talk: Talk) -> None:
    """A byte now and then: never silent for long, never done."""
    await talk.head(b"content-type: " + talk.kind, b"transfer-encoding: chunked")
    with contextlib.suppress(ConnectionError):
        while not talk.reader.at_eof():
            await talk.chunk(b" ")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(talk.reader.read(1), 0.1)


def refusal(status: bytes, *lines: bytes, body: bytes = ERROR, kind: bytes = b"application/json") -> Script:
    """An error of the service's own."""

    async def play(talk: Talk) -> None:
        await talk.reply(body, *lines, status=status, kind=kind)

    return play


def answer(body: bytes, events: bytes, *, kind: bytes | None = None, lines: tuple[bytes, ...] = (), status: bytes = b"200 OK") -> Script:
    """A whole reply with this body, or these events for a stream."""

    async def play(talk: Talk) -> None:
        await talk.reply(events if talk.stream else body, *lines, kind=kind, status=status)

    return play


def raw(whole_reply: bytes) -> Script:
    """These bytes, then silence."""

    async def play(talk: Talk) -> None:
        await talk.send(whole_reply)
        await talk.hang()

    return play


def flood(head: bytes, filling: bytes) -> Script:
    """A beginning, and the same bytes for ever after."""

    async def play(talk: Talk) -> None:
        with contextlib.suppress(ConnectionError):
            await talk.send(head)
            for _ in range(64 * MEGABYTE // len(filling)):
                await talk.send(filling)

    return play


async def refuse_and_hang(talk: Talk) -> None:
    """A status that says enough, and a body that never ends."""
    await talk.head(b"content-type: application/json", b"content-length: 1000", status=b"500 Internal Server Error")
    await talk.send(ERROR)
    await talk.hang()


async def end_without_length(talk: Talk) -> None:
    """Legal HTTP/1.0: the body ends with the connection. The answer itself is cut short."""
    await talk.send(b"HTTP/1.0 200 OK\r\ncontent-type: %b\r\n\r\n" % talk.kind + (CHUNK if talk.stream else ANSWER[:40]))
    talk.writer.close()


async def interim_then_good(talk: Talk) -> None:
    await talk.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\ncontent-type: text/html\r\ncontent-encoding: gzip\r\n\r\n")
    await good(talk)


async def smuggled_second_answer(talk: Talk) -> None:
    """A good answer with another one behind it, which the next request must not get."""
    body = CHUNK + STOP + DONE if talk.stream else ANSWER
    other = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
    await talk.send(b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n%b" % (talk.kind, len(body), body + other))
    await talk.hang()


def bomb() -> bytes:
    """32 MiB of zeros in 32 KiB."""
    return gzip.compress(bytes(32 * MEGABYTE), 9)
