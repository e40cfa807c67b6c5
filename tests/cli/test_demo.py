"""The demo as a newcomer sees it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from farthing.cli.traffic import samples


def _demo(tmp_path: Path, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-u", "-m", "farthing", "demo", *arguments]
    environ = os.environ | {"TMPDIR": str(tmp_path), "OPENAI_API_KEY": "sk-canary-not-to-be-used"}
    return subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def test_it_answers_all_the_traffic_and_shows_what_was_saved(tmp_path: Path) -> None:
    with _demo(tmp_path) as demo:
        said, complained = demo.communicate(timeout=60)
    assert demo.returncode == 0, said + complained
    assert f"{len(samples())} answers in" in said
    for part in (
        "what you would have paid -> what you paid",
        "cache: answers reused",
        "route: cheaper models",
        "per 1M requests",
        'base_url="http://127.0.0.1:8080/v1"',
    ):
        assert part in said
    saved = re.search(r"^saved .* ([\d.]+)%", said, re.MULTILINE)
    assert saved is not None
    assert float(saved[1]) > 0
    assert list(tmp_path.iterdir()) == []


def test_keep_leaves_it_up_until_ctrl_c(tmp_path: Path) -> None:
    with _demo(tmp_path, "--keep") as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        for line in demo.stdout:
            if "stays up at" in line:
                break
        os.killpg(demo.pid, signal.SIGINT)
        assert demo.wait(60) == 0
        assert demo.stderr.read() == ""
    assert list(tmp_path.iterdir()) == []
