"""What engines and accelerators say of themselves is read, believed for a while, and never made up."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from types import SimpleNamespace

import pytest

from farthing.config import Config, Service
from farthing.core.clock import FrozenClock
from farthing.core.engine import Gpu, Load
from farthing.core.errors import UpstreamTimeout
from farthing.core.web import WebReply, WebRequest
from farthing.models.engines import EngineWatch, figures
from farthing.models.engines.gpus import open_gpus

VLLM = """# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{model_name="a b"} 3.0
vllm:num_requests_waiting{model_name="m"} 12
vllm:kv_cache_usage_perc{model_name="m"} 0.62
vllm:prompt_tokens_total{model_name="m"} 1000
vllm:generation_tokens_total{model_name="m"} 50
DCGM_FI_DEV_GPU_UTIL{gpu="0"} 80
DCGM_FI_DEV_GPU_UTIL{gpu="1"} 40
DCGM_FI_DEV_FB_USED{gpu="0"} 30000
DCGM_FI_DEV_FB_FREE{gpu="0"} 10000
"""


class Pages:
    """Engines' pages by host; each asked is written down."""

    def __init__(self, **pages: str | Exception) -> None:
        self.pages = pages
        self.asked: list[str] = []

    async def __call__(self, asked: WebRequest) -> WebReply:
        self.asked.append(f"{'https' if asked.tls else 'http'}://{asked.host}:{asked.port}{asked.target}")
        page = self.pages[asked.host]
        if isinstance(page, Exception):
            raise page
        return WebReply(200, "text/plain", page.encode())


def _config(**urls: str) -> Config:
    return Config(services={name: Service(base_url="http://x/v1", metrics_url=url) for name, url in urls.items()})


def test_a_page_is_read_by_the_names_of_its_engine() -> None:
    assert figures.read(VLLM) == Load(3.0, 12.0, 0.62, 0.6, 0.75, 1000.0, 50.0)
    llama = "llamacpp:requests_processing 1\nllamacpp:requests_deferred 0\nllamacpp:tokens_predicted_total 7"
    assert figures.read(llama) == Load(running=1.0, waiting=0.0, output_tokens=7.0)


def test_noise_is_no_load() -> None:
    assert figures.read("\n".join(["", "x", "vllm:num_requests_running", "vllm:num_requests_running{} many", "{} 1", "}{ \x00 \xff"])) is None


def test_rates_are_between_two_looks_and_unknown_after_a_restart() -> None:
    before = Load(input_tokens=1000.0, output_tokens=50.0)
    after = figures.with_rates(Load(input_tokens=1500.0, output_tokens=20.0), before, 2.0)
    assert (after.input_tokens_per_s, after.output_tokens_per_s) == (250.0, None)
    assert figures.with_rates(Load(input_tokens=5.0), None, 2.0).input_tokens_per_s is None


def test_what_was_said_counts_for_six_seconds() -> None:
    clock, pages = FrozenClock(1_000.0), Pages(gpu=VLLM)
    watch = EngineWatch(_config(own="http://gpu:8000/metrics?x=1"), pages, clock)
    asyncio.run(watch.look())
    assert pages.asked == ["http://gpu:8000/metrics?x=1"]
    load = watch.load("own")
    assert load is not None
    assert load.waiting == 12.0
    clock.advance(6.0)
    assert watch.loads() == {"own": load}
    clock.advance(0.1)
    assert watch.loads() == {}


def test_an_engine_that_does_not_answer_is_said_once_and_the_others_are_read(caplog: pytest.LogCaptureFixture) -> None:
    pages = Pages(gpu=VLLM, dead=UpstreamTimeout("dead:80 had not answered in time."))
    watch = EngineWatch(_config(own="https://gpu/metrics", dead="http://dead", odd="ftp://x"), pages, FrozenClock(1_000.0))
    with caplog.at_level(logging.WARNING):
        asyncio.run(watch.look())
        asyncio.run(watch.look())
    assert list(watch.loads()) == ["own"]
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert any("services.dead" in one and "had not answered" in one for one in said)
    assert any("services.odd" in one and "not an http address" in one for one in said)


def test_a_reload_forgets_services_that_are_gone() -> None:
    watch = EngineWatch(_config(own="http://gpu"), Pages(gpu=VLLM), FrozenClock(1_000.0))
    asyncio.run(watch.look())
    watch.adopt(Config())
    assert watch.load("own") is None


def test_every_look_is_passed_on_with_those_that_said_nothing() -> None:
    told: list[tuple[dict[str, bool], list[Gpu]]] = []

    def hear(loads: Mapping[str, Load | None], gpus: Iterable[Gpu]) -> None:
        told.append(({name: load is not None for name, load in loads.items()}, list(gpus)))

    gpu = Gpu("0", 0.5, 0.25)
    pages = Pages(gpu=VLLM, dead="nothing")
    watch = EngineWatch(_config(own="http://gpu", dead="http://dead"), pages, FrozenClock(1_000.0), gpus=lambda: [gpu], on_look=hear)
    asyncio.run(watch.look())
    assert told == [({"own": True, "dead": False}, [gpu])]


class _DriverError(Exception):
    pass


def _driver(*, broken: bool = False) -> SimpleNamespace:
    def init() -> None:
        if broken:
            raise _DriverError("no driver")

    return SimpleNamespace(
        NVMLError=_DriverError,
        nvmlInit=init,
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetMemoryInfo=lambda handle: SimpleNamespace(used=10 * (handle + 1), total=80),
        nvmlDeviceGetUtilizationRates=lambda _handle: SimpleNamespace(gpu=35),
    )


def test_accelerators_are_those_of_the_driver() -> None:
    assert open_gpus(lambda _name: _driver())() == [Gpu("0", 0.35, 0.125), Gpu("1", 0.35, 0.25)]


def test_without_extra_or_driver_there_are_none() -> None:
    def absent(name: str) -> SimpleNamespace:
        raise ImportError(name)

    assert open_gpus(absent)() == []
    assert open_gpus(lambda _name: _driver(broken=True))() == []
