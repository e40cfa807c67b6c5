"""A gateway of its own for a demonstration: a subprocess on a free loopback port, its store in a folder that goes away."""

import http.client
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from farthing.cli.toml import value_text
from farthing.core.errors import FarthingError, Unavailable
from farthing.settings.environment import sample

_START_S = 20.0
_STOP_S = 35.0
_LOOK_S = 0.02


class Sandbox:
    """`with Sandbox(folder) as gateway:` serves the shipped recordings until the block ends."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "farthing.db"
        self.port = _free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._config = folder / "farthing.toml"
        self._log = folder / "stderr.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Sandbox":
        self._config.write_text(_config(self.store))
        command = [sys.executable, "-m", "farthing", "serve", "--config", str(self._config), "--port", str(self.port)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stderr=log)
        try:
            self._await_ready(self._process)
        except BaseException:
            self._stop(self._process)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process is not None:
            self._stop(self._process)

    def wait(self) -> None:
        """Until the gateway ends. On Ctrl-C both of us get the signal, and it drains."""
        if self._process is not None:
            self._process.wait()

    def _await_ready(self, process: "subprocess.Popen[bytes]") -> None:
        until = time.monotonic() + _START_S
        while not self._is_ready():
            if process.poll() is not None or time.monotonic() > until:
                raise Unavailable(f"The demo's gateway did not start:\n{self._log.read_text(errors='replace').strip()}")
            time.sleep(_LOOK_S)

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def _stop(self, process: "subprocess.Popen[bytes]") -> None:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired as fault:
            process.kill()
            raise FarthingError(f"The demo's gateway did not stop within {_STOP_S:.0f} s and was killed.") from fault


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _config(store: Path) -> str:
    """The sample alone, whatever keys the environment holds."""
    service, tiers = sample()
    return f"""
[store]
path = {value_text(str(store))}
[log]
level = "warning"
[services.recorded]
dialect = "recorded"
recordings = {value_text(service.recordings)}
[tiers]
cheap = {value_text(tiers.cheap)}
expensive = {value_text(tiers.expensive)}
"""
