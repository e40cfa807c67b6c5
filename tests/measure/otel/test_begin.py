"""Off, wrong, or not installed."""

import subprocess
import sys

import pytest

from farthing.config import Config
from farthing.config import Telemetry as Wanted
from farthing.core.clock import FrozenClock
from farthing.core.errors import ConfigError
from farthing.measure import otel

OFF = """
import os, sys
from farthing import assemble
from farthing.config import Config
from farthing.core.clock import SystemClock
from farthing.measure import otel
assert otel.begin(Config(), {}, worker=0, clock=SystemClock(), on_dropped=print) is None
print(*[name for name in sys.modules if name.partition(".")[0] in ("opentelemetry", "requests", "google")])
"""

NOT_INSTALLED = """
import sys
sys.modules["opentelemetry"] = None  # what Python itself finds of a package that is not to be had
from farthing.config import Telemetry
from farthing.core.errors import ConfigError
from farthing.measure import otel
try:
    otel.require(Telemetry(endpoint="http://127.0.0.1:4318"), {})
except ConfigError as error:
    print(error.message)
"""


def begin(environ: dict[str, str] | None = None, **wanted: str) -> None:
    otel.begin(Config(telemetry=Wanted(**wanted)), environ or {}, worker=0, clock=FrozenClock(), on_dropped=lambda *_: None)


def test_off_imports_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", OFF], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_not_installed_says_how() -> None:
    done = subprocess.run([sys.executable, "-c", NOT_INSTALLED], capture_output=True, text=True, check=True)
    assert "pip install 'farthing[otel]'" in done.stdout


@pytest.mark.parametrize("endpoint", ["127.0.0.1:4318", "grpc://collector:4317", ""])
def test_an_address_that_is_none(endpoint: str) -> None:
    with pytest.raises(ConfigError, match=r"http://127\.0\.0\.1:4318"):
        begin(endpoint=endpoint)


def test_headers_that_are_not_there() -> None:
    with pytest.raises(ConfigError, match="OTLP_HEADERS, which is not set"):
        begin(endpoint="http://127.0.0.1:4318", headers_env="OTLP_HEADERS")


def test_headers_that_are_none_are_not_shown() -> None:
    with pytest.raises(ConfigError, match="name=value") as caught:
        begin({"OTLP_HEADERS": "secret-token"}, endpoint="http://127.0.0.1:4318", headers_env="OTLP_HEADERS")
    assert "secret-token" not in str(caught.value)
