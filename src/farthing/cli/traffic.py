"""The shipped sample traffic, and callers that send it as the `openai` client would: same path, same headers, same bodies."""

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import track

import farthing

SAMPLE = Path(farthing.__file__).parent / "data" / "sample_traffic.jsonl"
_HEADERS = {"accept": "application/json", "content-type": "application/json", "authorization": "Bearer unused"}
_TIMEOUT_S = 30.0


class Sample(msgspec.Struct, frozen=True):
    """One request as it is sent."""

    body: msgspec.Raw
    headers: dict[str, str] = {}
    path: str = "/v1/chat/completions"


class Sent(msgspec.Struct, frozen=True):
    """What came of it. `failed` counts by error code."""

    answered: int
    failed: Mapping[str, int]
    seconds: float


class _Fault(msgspec.Struct):
    code: str | None = None


class _Failure(msgspec.Struct):
    error: _Fault


def samples(path: Path = SAMPLE) -> list[Sample]:
    """The requests of a JSONL file, in its order."""
    decode = msgspec.json.Decoder(Sample).decode
    return [decode(line) for line in path.read_bytes().splitlines() if line.strip()]


def send_all(port: int, requests: list[Sample], *, callers: int, console: Console) -> Sent:
    """Send them all over a few keep-alive connections, with a bar on a terminal."""
    failed: Counter[str] = Counter()
    bar = track(requests, "requests", console=console, disable=not console.is_terminal)
    queue, lock = iter(bar), threading.Lock()

    def take() -> Iterator[Sample]:
        while True:
            with lock:
                request = next(queue, None)
            if request is None:
                return
            yield request

    def call() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
        for request in take():
            failure = _send(connection, request)
            if failure is not None:
                failed[failure] += 1
        connection.close()

    started_s = time.monotonic()
    threads = [threading.Thread(target=call, daemon=True) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Sent(answered=len(requests) - failed.total(), failed=failed, seconds=time.monotonic() - started_s)


def _send(connection: http.client.HTTPConnection, request: Sample) -> str | None:
    """The error code, or `None` for an answer."""
    try:
        connection.request("POST", request.path, body=bytes(request.body), headers=_HEADERS | request.headers)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as fault:
        connection.close()
        return type(fault).__name__
    if answer.status == 200:
        return None
    try:
        return msgspec.json.decode(body, type=_Failure).error.code or str(answer.status)
    except msgspec.MsgspecError:
        return str(answer.status)
