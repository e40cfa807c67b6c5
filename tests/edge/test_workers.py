"""The family of processes: what a signal at a bad moment, a dead parent and a replaced worker do."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.fakes.gateway import UPSTREAM_ENV, Gateway, poll, upstream_config
from tests.fakes.http_client import chat, post
from tests.fakes.upstream import FakeUpstream


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as server:
        yield server


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_word_to_reload_while_workers_start_kills_none_of_them(upstream: FakeUpstream) -> None:
    for workers in (2, 1):
        gateway = Gateway(upstream_config(upstream.base_url), env=UPSTREAM_ENV, workers=workers)
        try:
            gateway.start(wait=False)
            poll(lambda gateway=gateway: "Farthing" in gateway.log, 10.0, "the first line of the log")
            for _ in range(5):
                gateway.signal(signal.SIGHUP)
            poll(gateway.ready, 10.0, "the gateway's /readyz")
            assert "starting another" not in gateway.log
            poll(lambda gateway=gateway: "configuration reloaded" in gateway.log, 5.0, "the reload")
        finally:
            gateway.__exit__()


def test_a_replaced_worker_serves_the_configuration_in_force(upstream: FakeUpstream) -> None:
    before = upstream_config(upstream.base_url)
    with Gateway(before, env=UPSTREAM_ENV, workers=2) as gateway:
        gateway.write_config(before.replace('cheap = ["openai/gpt-4o-mini"]', 'cheap = ["openai/gpt-4o"]'))
        gateway.signal(signal.SIGHUP)
        poll(lambda: gateway.log.count("configuration reloaded") >= 2, 10.0, "both workers' reload")
        old = set(gateway.children())
        for worker in sorted(old):
            os.kill(worker, signal.SIGKILL)
        poll(lambda: gateway.log.count("starting another") == len(old) and gateway.ready(), 10.0, "new workers")
        answers = [asyncio.run(post(gateway.port, "/v1/chat/completions", chat(f"hello {n}", model="farthing/cheap"))) for n in range(8)]
        assert {answer.headers["x-farthing-model"] for answer in answers} == {"openai/gpt-4o"}


def test_workers_do_not_outlive_their_parent(upstream: FakeUpstream) -> None:
    """They would keep the port, and nobody could start the gateway again."""
    with Gateway(upstream_config(upstream.base_url), env=UPSTREAM_ENV, workers=2) as gateway:
        workers = gateway.children()
        assert workers
        os.kill(gateway.pid, signal.SIGKILL)
        poll(lambda: not any(map(_alive, workers)), 10.0, "the end of the workers")


def test_a_worker_that_fails_says_why() -> None:
    script = """
import logging, socket
from farthing.edge.workers import Workers
logging.basicConfig()
def work(number):
    raise OSError("no such disk")
raise SystemExit(Workers(1, work, socket.socket(), 0.1).run())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "no such disk" in done.stderr
