"""The real gateway as a subprocess on a free loopback port, with a store of its own in a temporary directory.

    with Gateway(config, env={"FAKE_KEY": "sk-upstream"}) as gateway:
        OpenAI(base_url=gateway.base_url + "/v1", api_key="unused")

`rows()` reads the ledger as anybody could, with `sqlite3`. `log` is everything it wrote to stderr.
"""

import http.client
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 20.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def poll(truth: Callable[[], bool], timeout_s: float, what: str) -> float:
    """Seconds until `truth()` held, for things in another process that cannot notify us."""
    start = time.monotonic()
    while not truth():
        if time.monotonic() - start > timeout_s:
            raise TimeoutError(f"{what}: not within {timeout_s} s")
        time.sleep(0.005)
    return time.monotonic() - start


class Gateway:
    """One gateway process (with its workers)."""

    # Two workers share one listening socket; so many verdicts in a row leave no doubt that both were asked.
    _ASKED_PER_WORKER = 16

    def __init__(
        self,
        config: str = "",
        *,
        env: Mapping[str, str] | None = None,
        workers: int = 1,
        directory: Path | None = None,
        prefix: Sequence[str] = (),
        arguments: Sequence[str] = (),
    ) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="gateway-") if directory is None else None
        self.directory = Path(self._scratch.name) if self._scratch else Path(directory or "")
        self.port = free_port()
        self.workers = workers
        self.env = dict(env or {})
        self.config_path = self.directory / "farthing.toml"
        self.store = self.directory / "farthing.db"
        self._prefix = prefix
        self._arguments = arguments
        self.write_config(config)
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Gateway":
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.stop()
        if self._scratch:
            self._scratch.cleanup()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        return (self.directory / "stderr.log").read_text(errors="replace")

    def write_config(self, config: str) -> None:
        store = "" if "[store]" in config else f'\n[store]\npath = "{self.store}"\n'
        self.config_path.write_text(config + store)

    def start(self, *, wait: bool = True) -> None:
        command = [*self._prefix, sys.executable, "-m", "farthing", "serve", "--config", str(self.config_path)]
        command += ["--port", str(self.port), "--workers", str(self.workers), *self._arguments]
        with (self.directory / "stderr.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.directory, env=self._environment(), stdout=log, stderr=log)
        if wait:
            poll(self.ready, START_TIMEOUT_S, "the gateway's /readyz")

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "_BASE_URL", "_PROXY", "_proxy"))}
        return kept | self.env

    def ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"the gateway exited with {self.process.returncode}:\n{self.log}")
        try:
            return self.get("/readyz")[0] == 200
        except OSError:
            return False

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path, headers=dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self, timeout_s: float = 40.0) -> int:
        """SIGTERM, then the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """kill -9 of the whole family at once."""
        assert self.process is not None
        for pid in [self.pid, *self.children()]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait(10)

    def children(self) -> list[int]:
        """Living descendants."""
        found, todo = [], [self.pid]
        while todo:
            for entry in Path(f"/proc/{todo.pop()}/task").glob("*/children"):
                kids = [int(pid) for pid in entry.read_text().split()]
                found += kids
                todo += kids
        return found

    def farthing(self, *arguments: str, check: bool = True) -> str:
        """Run a `farthing` command against this gateway's config and store."""
        command = [sys.executable, "-m", "farthing", *arguments, "--config", str(self.config_path)]
        done = subprocess.run(command, cwd=self.directory, env=self._environment(), capture_output=True, text=True, timeout=30)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(arguments)} exited with {done.returncode}:\n{done.stderr}")
        return done.stdout

    def new_key(self, *arguments: str) -> str:
        """The secret of a fresh virtual key, once every worker knows it (a viewer's is known where it is refused by role)."""
        secret = self.farthing("keys", "create", *arguments).strip()
        known_in_a_row = 0

        def known() -> bool:
            nonlocal known_in_a_row
            stranger, owner = self.get("/v1/models")[0], self.get("/v1/models", {"authorization": f"Bearer {secret}"})[0]
            known_in_a_row = known_in_a_row + 1 if stranger == 401 and owner in (200, 403) else 0
            return known_in_a_row >= self._ASKED_PER_WORKER ** (self.workers - 1)

        poll(known, 5.0, "the new key")
        return secret

    def query(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        with self._open() as connection:
            return [dict(row) for row in connection.execute(sql, values)]

    def rows(self, **equal: Any) -> list[dict[str, Any]]:
        """Ledger rows in order of arrival, those with these values."""
        where = " and ".join(f"{name} = ?" for name in equal) or "1"
        return self.query(f"select * from requests where {where} order by received_at, request_id", *equal.values())

    def _open(self) -> "_Reader":
        return _Reader(self.store)


class _Reader:
    """A read-only connection that is closed, not only committed, on the way out."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
        self._connection.row_factory = sqlite3.Row

    def __enter__(self) -> sqlite3.Connection:
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def upstream_config(base_url: str, extra: str = "") -> str:
    """Services for every dialect of a `FakeUpstream`, under model names that say which: gpt-*, claude-*, llama-* (chat only)."""
    return f"""
[services.openai]
base_url = "{base_url}/v1"
api_key_env = "FAKE_OPENAI_KEY"
models = ["gpt-*", "o3*", "text-embedding-*"]
responses = true

[services.chatonly]
base_url = "{base_url}/v1"
api_key_env = "FAKE_OPENAI_KEY"
models = ["llama-*"]

[services.anthropic]
dialect = "anthropic"
base_url = "{base_url}/v1"
api_key_env = "FAKE_ANTHROPIC_KEY"
auth = "x-api-key"
models = ["claude-*"]

[tiers]
cheap = ["openai/gpt-4o-mini"]
expensive = ["openai/gpt-4o"]
{extra}
"""


UPSTREAM_ENV = {"FAKE_OPENAI_KEY": "sk-upstream-canary-5e1f", "FAKE_ANTHROPIC_KEY": "sk-upstream-canary-5e1f"}


def sse_events(raw: bytes) -> Iterator[tuple[str | None, str]]:
    """Event name and data of each server-sent event of a whole stream."""
    for block in raw.decode().replace("\r\n", "\n").split("\n\n"):
        fields = [line.partition(":") for line in block.split("\n") if line and not line.startswith(":")]
        if fields:
            name = next((value.strip() for key, _, value in fields if key == "event"), None)
            yield name, "\n".join(value.removeprefix(" ") for key, _, value in fields if key == "data")
