"""Facts on disk between the passes: a temporary file of packed batches. About a tenth of the log's size where calls are a few kilobytes."""

import struct
import tempfile
from collections.abc import Iterator
from typing import IO

import msgspec

from farthing.core.errors import StoreUnavailable
from farthing.lab.audit.facts import Facts

_HEAD = struct.Struct("<I")
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Facts])


def pack(facts: list[Facts]) -> bytes:
    """Facts as bytes, for another process or the file."""
    import zstandard

    return zstandard.ZstdCompressor(level=1).compress(_encoder.encode(facts))


def unpack(packed: bytes) -> list[Facts]:
    import zstandard

    return _decoder.decode(zstandard.ZstdDecompressor().decompress(packed))


class Spill:
    """Write batches, then read them in order. Gone when closed."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="farthing-audit-")  # noqa: SIM115  # closed by `close`
        self.size = 0

    def write(self, packed: bytes) -> None:
        try:
            self._file.write(_HEAD.pack(len(packed)))
            self._file.write(packed)
        except OSError as fault:
            raise StoreUnavailable(
                f"Cannot write to {tempfile.gettempdir()}: {fault.strerror}. Make room, or set TMPDIR to a larger disk."
            ) from fault
        self.size += len(packed)

    def batches(self) -> Iterator[list[Facts]]:
        self._file.seek(0)
        while head := self._file.read(_HEAD.size):
            yield unpack(self._file.read(_HEAD.unpack(head)[0]))

    def close(self) -> None:
        self._file.close()
