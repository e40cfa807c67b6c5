"""The child process that reads files, from outside: started when the first file comes, started again when a file took it down."""

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from farthing.core.document import Section
from farthing.lab.ingest.child import Asked, Parsed, read, write

_decode = msgspec.msgpack.Decoder(Parsed).decode


class Reader:
    """`read` gives sections, or what is wrong, whatever a file does to the process that opens it."""

    def __init__(self, *, cpu_s: int) -> None:
        self._cpu_s = cpu_s
        self._child: subprocess.Popen[bytes] | None = None

    def read(self, name: str, blob: bytes) -> tuple[Sequence[Section], str | None]:
        child = self._child or self._start()
        assert child.stdin is not None
        assert child.stdout is not None
        packed: bytes | None = None
        with suppress(BrokenPipeError):
            write(child.stdin, Asked(name, blob, self._cpu_s))
            packed = read(child.stdout)
        if packed is None:
            self.close()
            return (), f"cannot be read within {self._cpu_s} s of processor time and the memory allowed"
        parsed = _decode(packed)
        return parsed.sections, parsed.problem

    def close(self) -> None:
        if self._child is None:
            return
        child, self._child = self._child, None
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        child.kill()
        child.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "farthing.lab.ingest.child"]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return self._child
