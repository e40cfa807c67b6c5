"""Collections that a configuration names: a mistyped one is a mistake, one that is still to come is not."""

from pathlib import Path

import pytest

from farthing.config import Config, Endpoint, Store
from farthing.config.flows import Flow, FlowStep
from farthing.core.errors import ConfigError
from farthing.lab.ingest.opened import check_collections
from farthing.lab.ingest.run import Ingest
from farthing.stores.sqlite.documents import Documents
from tests.brain.retrieve.rig import HashEmbedder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(path=str(tmp_path / "d.db"))


def bring(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Returns\n\nGoods may be sent back within thirty days of delivery.")
    documents = Documents(store)
    Ingest(documents, HashEmbedder(), Config().retrieve, tenant="acme", collection="policies").add([tmp_path / "a.md"])
    documents.close()


def test_a_known_one_is_fine(store: Store, tmp_path: Path) -> None:
    bring(store, tmp_path)
    check_collections(Config(store=store, endpoints={"faq": Endpoint(collection="policies")}))


def test_a_mistyped_one_is_named_with_what_may_be_meant(store: Store, tmp_path: Path) -> None:
    bring(store, tmp_path)
    flow = Flow(steps={"look": FlowStep(do="retrieve", collection="polices")})
    with pytest.raises(ConfigError) as caught:
        check_collections(Config(store=store, endpoints={"faq": Endpoint(collection="prices")}, flows={"help": flow}))
    first, second = caught.value.message.split("\n")
    assert first.startswith("endpoints.faq.collection is 'prices'")
    assert "flows.help.steps.look.collection is 'polices'" in second
    assert "Did you mean 'policies'?" in second


def test_in_an_empty_store_it_may_still_come(store: Store) -> None:
    check_collections(Config(store=store, endpoints={"faq": Endpoint(collection="prices")}))
