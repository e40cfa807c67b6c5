"""Prices: which list entry counts, what the configuration overrides, and that unknown stays unknown."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from farthing.config import Model
from farthing.core.clock import FrozenClock
from farthing.core.usage import Rate, RateStep, Usage
from farthing.models import price_list
from farthing.models.price_list import Clause, ListedModel, Priced, PriceList, Provider
from farthing.models.prices import MEMO_ROWS, PriceBook

DAY = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()


def rate(input_usd: str, output_usd: str) -> Rate:
    return Rate(Decimal(input_usd), Decimal(output_usd))


def listed(name: str, *priced: tuple[date | None, Rate | None]) -> ListedModel:
    return ListedModel(Clause("equals", name), tuple(Priced(*row) for row in priced))


SHELF = PriceList(
    (
        Provider("maker", Clause("contains", "maker"), Clause("starts_with", "own-"), (), (listed("own-1", (None, rate("2", "8"))),)),
        Provider("host", None, None, ("maker",), (listed("open-7b", (None, rate("0.1", "0.2"))), listed("shared", (None, rate("1", "1"))))),
        Provider(
            "rival",
            None,
            None,
            (),
            (
                listed("open-7b", (None, rate("0.3", "0.3"))),
                listed("shared", (None, rate("1", "1"))),
                listed("dated-2025-12-11", (None, rate("5", "6"))),
                listed("falling", (None, rate("9", "9")), (date(2026, 11, 22), rate("4", "4"))),
                listed("per-minute", (None, None)),
            ),
        ),
    )
)


def book(models: dict[str, Model] | None = None, clock: FrozenClock | None = None) -> PriceBook:
    return PriceBook(models or {}, clock=clock or FrozenClock(DAY), read=lambda _: SHELF)


@pytest.mark.parametrize(
    ("service", "model", "expected"),
    [
        ("maker", "own-1", rate("2", "8")),
        ("the-maker-eu", "OWN-1", rate("2", "8")),  # known by another name; names in any case
        ("host", "own-1", rate("2", "8")),  # sold on behalf of its maker
        ("recorded", "own-1", rate("2", "8")),  # no such provider: the maker's price
        ("recorded", "shared", rate("1", "1")),  # all sellers agree
        ("recorded", "open-7b", None),  # they do not
        ("maker", "open-7b", None),  # a known provider that does not list it
        ("rival", "dated-20251211", rate("5", "6")),
        ("rival", "per-minute", None),
        ("recorded", "own-99", None),
        ("recorded", "never-heard-of", None),
    ],
)
def test_list_entry(service: str, model: str, expected: Rate | None) -> None:
    assert book().rate(service, model) == expected


@pytest.mark.parametrize("key", ["own-1", "maker/own-1"])
def test_configuration_overrides_what_it_names_and_keeps_the_rest(key: str) -> None:
    own = Model(output_usd_per_mtok=0.1, cached_usd_per_mtok=0.07)
    assert book({key: own}).rate("maker", "own-1") == Rate(Decimal("2"), Decimal("0.1"), Decimal("0.07"))


def test_service_and_model_win_over_model() -> None:
    own = {"own-1": Model(input_usd_per_mtok=1, output_usd_per_mtok=1), "maker/own-1": Model(input_usd_per_mtok=3, output_usd_per_mtok=3)}
    assert book(own).rate("maker", "own-1") == rate("3", "3")
    assert book(own).rate("elsewhere", "own-1") == rate("1", "1")


def test_configured_price_of_an_unlisted_model() -> None:
    assert book({"mine": Model(input_usd_per_mtok=0.15, output_usd_per_mtok=0.6)}).rate("local", "mine") == rate("0.15", "0.6")


def test_half_a_price_is_unknown() -> None:
    assert book({"mine": Model(input_usd_per_mtok=0.15)}).rate("local", "mine") is None


def test_facts_without_prices_leave_the_list_alone() -> None:
    assert book({"own-1": Model(max_output_tokens=100)}).rate("maker", "own-1") == rate("2", "8")


def test_zero_is_a_price() -> None:
    assert book({"mine": Model(input_usd_per_mtok=0, output_usd_per_mtok=0)}).rate("local", "mine") == rate("0", "0")


def test_price_changes_on_its_day() -> None:
    clock = FrozenClock(DAY)
    prices = book(clock=clock)
    assert prices.rate("rival", "falling") == rate("9", "9")
    clock.advance(86_400)
    assert prices.rate("rival", "falling") == rate("4", "4")


def test_names_from_callers_do_not_fill_the_memory() -> None:
    prices = book()
    for number in range(MEMO_ROWS + 10):
        prices.rate("recorded", f"made-up-{number}")
    assert len(prices._memo) <= MEMO_ROWS
    assert prices.rate("maker", "own-1") == rate("2", "8")


def test_long_input_pays_the_step_for_all_its_tokens() -> None:
    steps = (RateStep(1000, rate("2", "20")), RateStep(5000, rate("3", "30")))
    stepped = Rate(Decimal(1), Decimal(10), steps=steps)
    assert stepped.price(Usage(1000, 100)) == Decimal("0.002")
    assert stepped.price(Usage(1001, 100)) == Decimal("0.004002")
    assert stepped.price(Usage(6000, 100)) == Decimal("0.021")


@pytest.mark.parametrize(
    ("clause", "yes", "no"),
    [
        (Clause("equals", "a"), "a", "ab"),
        (Clause("starts_with", "a"), "ab", "ba"),
        (Clause("ends_with", "a"), "ba", "ab"),
        (Clause("contains", "a"), "bab", "b"),
        (Clause("regex", "^o[13]"), "o1-mini", "o2"),
        (Clause("or", clauses=(Clause("equals", "a"), Clause("equals", "b"))), "b", "c"),
        (Clause("and", clauses=(Clause("contains", "a"), Clause("contains", "b"))), "ab", "a"),
    ],
)
def test_clause(clause: Clause, yes: str, no: str) -> None:
    assert clause.holds(yes)
    assert not clause.holds(no)


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prices")


def test_the_real_list_prices_dated_names(cache_dir: Path) -> None:
    prices = PriceBook({}, clock=FrozenClock(DAY), cache_dir=cache_dir)
    assert prices.rate("openai", "gpt-4o-mini-2024-07-18") == Rate(Decimal("0.15"), Decimal("0.6"), Decimal("0.075"))
    assert prices.rate("recorded", "claude-3-5-haiku-20241022") == Rate(Decimal("0.8"), Decimal("4"), Decimal("0.08"), Decimal("1"))
    sonnet = prices.rate("anthropic", "claude-sonnet-4-5")
    assert sonnet is not None
    assert [step.above_input_tokens for step in sonnet.steps] == [200_000]


def test_second_load_reads_the_copy(cache_dir: Path) -> None:
    whole = price_list.load(cache_dir)
    (copy,) = cache_dir.iterdir()
    copy.write_bytes(msgspec.msgpack.encode(SHELF))
    assert price_list.load(cache_dir) == SHELF
    copy.write_bytes(msgspec.msgpack.encode(whole))


def test_a_torn_copy_is_replaced(cache_dir: Path) -> None:
    first = price_list.load(cache_dir)
    (copy,) = cache_dir.iterdir()
    copy.write_bytes(copy.read_bytes()[:1000])
    assert price_list.load(cache_dir) == first
    assert len(copy.read_bytes()) > 1000


def test_our_prices_are_those_of_genai_prices(cache_dir: Path) -> None:
    from genai_prices import Usage as ListedUsage
    from genai_prices import calc_price
    from genai_prices.data import providers

    prices = PriceBook({}, clock=FrozenClock(DAY), cache_dir=cache_dir)
    used, when = Usage(250_000, 700), datetime.fromtimestamp(DAY, tz=UTC)
    names = [(p.id, m.id) for p in providers for m in p.models if p.id != "deepseek"][::9]  # deepseek's change by the hour
    compared = 0
    for service, model in names:
        if (ours := prices.rate(service, model)) is not None:
            theirs = calc_price(ListedUsage(input_tokens=250_000, output_tokens=700), model, provider_id=service, genai_request_timestamp=when)
            assert ours.price(used) == theirs.total_price, (service, model)
            compared += 1
    assert compared > 200
