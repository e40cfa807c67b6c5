"""Read documents in a process of its own: `python -m farthing.lab.ingest.child`, spoken to over its standard streams.

Bounds are set before the first byte is read: memory, processor time per file, no new files. Requests and replies are msgpack behind four bytes of
length.
"""

import resource
import signal
import struct
import sys
from typing import IO

import msgspec

from farthing.core.document import Section
from farthing.lab.ingest.parse import Unreadable, parse

MEMORY_BYTES = 2 << 30


class Asked(msgspec.Struct, frozen=True):
    name: str
    blob: bytes
    cpu_s: int


class Parsed(msgspec.Struct, frozen=True):
    """Sections, or what is wrong with the file."""

    sections: tuple[Section, ...] = ()
    problem: str | None = None


def write(stream: IO[bytes], message: msgspec.Struct) -> None:
    packed = msgspec.msgpack.encode(message)
    stream.write(struct.pack("<I", len(packed)) + packed)
    stream.flush()


def read(stream: IO[bytes]) -> bytes | None:
    """The next message; `None` when the other side has gone."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    (size,) = struct.unpack("<I", head)
    packed = stream.read(size)
    return packed if len(packed) == size else None


def _answer(asked: Asked) -> Parsed:
    try:
        return Parsed(tuple(parse(asked.name, asked.blob)))
    except Unreadable as error:
        return Parsed(problem=str(error))
    except MemoryError:
        return Parsed(problem="takes more memory to read than is allowed")
    except Exception as error:  # noqa: BLE001 a library's way of saying that the file is broken
        return Parsed(problem=f"broken: {type(error).__name__}: {str(error)[:160]}")


def main() -> None:
    """Answer until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command; it ends us by closing the stream
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    decode = msgspec.msgpack.Decoder(Asked).decode
    while (packed := read(sys.stdin.buffer)) is not None:
        asked = decode(packed)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        spent_s = int(usage.ru_utime + usage.ru_stime) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (spent_s + asked.cpu_s, resource.RLIM_INFINITY))
        write(sys.stdout.buffer, _answer(asked))


if __name__ == "__main__":
    main()
