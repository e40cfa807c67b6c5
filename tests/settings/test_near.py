"""A service that names an engine is at the engine's address."""

from farthing.config import Config, Local, Service
from farthing.settings.near import addressed

LOCAL = {"tiny": Local(model="m.gguf", port=8081)}


def test_address_and_metrics_come_from_the_engine() -> None:
    service = addressed(Config(local=LOCAL, services={"tiny": Service(local="tiny")})).services["tiny"]
    assert (service.base_url, service.metrics_url) == ("http://127.0.0.1:8081/v1", "http://127.0.0.1:8081/metrics")


def test_what_is_set_stays() -> None:
    set_here = Service(local="tiny", base_url="http://other/v1", metrics_url="http://other/m")
    assert addressed(Config(local=LOCAL, services={"tiny": set_here})).services["tiny"] == set_here


def test_other_services_stay_as_they_are() -> None:
    config = Config(local=LOCAL, services={"far": Service(base_url="https://far/v1"), "lost": Service(local="nobody")})
    assert addressed(config) == config
    assert addressed(Config()) == Config()
