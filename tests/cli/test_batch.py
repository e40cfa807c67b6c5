"""`farthing batch` against a real gateway: order, watch, fetch, cancel, and what it says when something is wrong."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.gateway import UPSTREAM_ENV, Gateway, poll, upstream_config
from tests.fakes.upstream import FakeUpstream


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with FakeUpstream(UPSTREAM_ENV["FAKE_OPENAI_KEY"]) as upstream, Gateway(upstream_config(upstream.base_url), env=UPSTREAM_ENV) as running:
        yield running


def batch(gateway: Gateway, *arguments: str, url: str | None = None) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"FARTHING_URL": url or gateway.base_url}
    return subprocess.run([sys.executable, "-m", "farthing", "batch", *arguments], env=env, capture_output=True, text=True, timeout=60, check=False)


def requests(path: Path, *texts: str) -> Path:
    def line(number: int, text: str) -> str:
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}]}
        return json.dumps({"custom_id": f"q{number}", "method": "POST", "url": "/v1/chat/completions", "body": body})

    path.write_text("\n".join(line(number, text) for number, text in enumerate(texts)))
    return path


def test_a_file_runs_and_its_answers_are_fetched(gateway: Gateway, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    done = batch(gateway, "run", str(requests(tmp_path / "in.jsonl", "one", "two", "fail:400")), "--out", str(out))
    assert done.returncode == 1, done.stderr  # one request failed
    assert "2 of 3 answered, 1 failed" in done.stdout
    assert {json.loads(line)["custom_id"] for line in out.read_text().splitlines()} == {"q0", "q1"}
    assert json.loads((tmp_path / "out.errors.jsonl").read_text())["custom_id"] == "q2"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.errors.jsonl", "out.jsonl"]
    name = done.stdout.split()[0]
    assert name in batch(gateway, "list").stdout
    shown = batch(gateway, "show", name)
    assert f"{name}: completed, 2 of 3 answered, 1 failed" in shown.stdout
    assert json.loads(batch(gateway, "show", name, "--json").stdout)["id"] == name


def test_ctrl_c_leaves_the_batch_running(gateway: Gateway, tmp_path: Path) -> None:
    file = requests(tmp_path / "slow.jsonl", *(f"hold:300 number {number}" for number in range(120)))
    command = [sys.executable, "-m", "farthing", "batch", "run", str(file), "--wait"]
    env = os.environ | {"FARTHING_URL": gateway.base_url}
    running = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None
    name = running.stdout.readline().strip()
    poll(lambda: json.loads(gateway.get(f"/v1/batches/{name}")[1])["status"] == "in_progress", 10, "the batch to begin")
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=20)
    assert running.returncode == 130
    assert f"farthing batch show {name} --wait" in said
    assert json.loads(gateway.get(f"/v1/batches/{name}")[1])["status"] == "in_progress"
    assert "cancel" in batch(gateway, "cancel", name).stdout


def test_what_is_wrong_is_said_in_a_line(gateway: Gateway, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text("no json\n")
    for arguments, words in (
        (("run", str(wrong)), "is no request"),
        (("run", str(wrong), "--endpoint", "/v1/chat/completions", "--wait"), "line 1: This line is not parseable"),
        (("run", str(tmp_path / "absent.jsonl")), "does not exist"),
        (("run", str(wrong), "--endpoint", "/v1/chat/completions", "--out", str(tmp_path / "absent" / "out.jsonl")), "is no folder"),
        (("show", "batch_none"), "There is no batch 'batch_none'"),
        (("cancel", "batch_none"), "There is no batch 'batch_none'"),
    ):
        done = batch(gateway, *arguments)
        assert done.returncode != 0
        assert words in " ".join(done.stderr.split()), done.stderr
        assert "Traceback" not in done.stderr
    alone = batch(gateway, "list", url="http://127.0.0.1:9")
    assert (alone.returncode, "No gateway answers at http://127.0.0.1:9" in alone.stderr) == (1, True)
    assert "is no address" in batch(gateway, "list", url="localhost").stderr
