"""`farthing local up` as a subprocess: the real engine with small models, and what it said."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.fakes.gateway import poll

UP_TIMEOUT_S = 60.0


class Engines:
    """The engines of one configuration file, up when the block is entered."""

    def __init__(self, config: Path, *names: str) -> None:
        self._config = config
        self._names = names
        self._log = config.with_name("engines.log")
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Engines":
        with self._log.open("wb") as log:
            command = [sys.executable, "-m", "farthing", "local", "up", str(self._config)]
            # Two threads of two engines on two cores wait for each other; one each is faster, and enough.
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"})
        try:
            poll(lambda: all(self.ups(name) for name in self._names), UP_TIMEOUT_S, "engines up")
        except BaseException:
            print(self.log)
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def ups(self, name: str) -> list[int]:
        """Process ids under which it came up, in order."""
        if self.process is not None and self.process.poll() is not None:
            raise RuntimeError(f"farthing local up ended with {self.process.returncode}:\n{self.log}")
        return [int(pid) for pid in re.findall(rf"^{name}: up at .*\(pid (\d+),", self.log, re.MULTILINE)]

    def kill(self, name: str) -> None:
        """kill -9 of the engine."""
        os.kill(self.ups(name)[-1], signal.SIGKILL)
