"""The account in the ledger: who is charged for what, on the real journey."""

import asyncio
import json
from decimal import Decimal

import msgspec

from farthing.brain.flow import journey
from farthing.config import Check, Endpoint, Model, Tiers
from farthing.core.account import Account
from farthing.core.ledger import LedgerRow
from farthing.models.prices import PriceBook
from tests.brain.test_flow import SCHEMA, body, serve
from tests.brain.world import ANSWER, World

CHEAP, DEAR = 20_000_000, 200_000_000  # picodollars of ten tokens in and five out, on the small and on the big model


def account(row: LedgerRow) -> Account:
    assert row.account is not None
    found = msgspec.json.decode(row.account, type=Account)
    assert row.cost_picousd is not None
    assert row.baseline_cost_picousd is not None
    assert sum(found.saved.values()) == row.baseline_cost_picousd - row.cost_picousd
    return found


def answer_of(text: str, tokens_out: int = 5, finish: str = "stop") -> bytes:
    said = json.loads(ANSWER)
    said["choices"][0] |= {"message": {"role": "assistant", "content": text}, "finish_reason": finish}
    said["usage"] |= {"completion_tokens": tokens_out}
    return json.dumps(said).encode()


def test_a_routed_call_saves_by_its_route() -> None:
    world = World()
    serve(world, body())
    found = account(world.book.rows[0])
    assert found.saved == {"route": DEAR - CHEAP}
    assert found.low == {}
    assert found.prompt is not None
    assert sum(found.prompt) == 10


def test_a_named_model_saves_nothing_on_its_first_call_and_all_of_it_on_a_hit() -> None:
    world = World()
    for _ in range(2):
        serve(world, body(model="big"))
    first, second = map(account, world.book.rows)
    assert first.saved == {}
    assert second.saved == {"cache": DEAR}
    assert second.low == {"cache": 100_000_000}  # the ten tokens that were asked; nobody knows what would have been answered
    assert second.high == {"cache": 300_000_000}


def test_a_hit_on_a_cheap_answer_is_shared_with_the_route() -> None:
    world = World()
    for _ in range(2):
        serve(world, body())
    found = account(world.book.rows[1])
    assert found.saved == {"cache": (DEAR + CHEAP) // 2, "route": (DEAR - CHEAP) // 2}
    told = json.loads(world.book.rows[1].decisions, parse_float=Decimal)
    assert {one["lever"]: one["action"] for one in told if "saved_usd" in one} == {"cache": "exact", "route": "counted"}


def test_a_repair_is_charged_to_the_route_that_chose_cheap() -> None:
    world = World([[answer_of("no json")], [answer_of('{"coin": "farthing"}', 7)]])
    serve(world, body(response_format=SCHEMA))
    row = world.book.rows[0]
    repair = 10 * 1_000_000 + 7 * 2_000_000
    assert row.cost_picousd == CHEAP + repair
    assert account(row).saved == {"route": DEAR - CHEAP - repair}
    assert account(row).extra == {"repair": repair}


def test_a_repair_of_a_named_model_is_a_loss_of_the_check() -> None:
    world = World([[answer_of("no json")], [answer_of('{"coin": "farthing"}', 7)]])
    serve(world, body(model="big", response_format=SCHEMA))
    assert account(world.book.rows[0]).saved == {"check": -(10 * 1_000_000 + 7 * 2_000_000)}


def test_an_escalation_charges_both_calls_to_the_route() -> None:
    world = World([[answer_of("no json")], [answer_of('{"coin": "farthing"}')]], check=Check(repair_call=False))
    serve(world, body(response_format=SCHEMA))
    row = world.book.rows[0]
    assert (row.cost_picousd, row.baseline_cost_picousd, row.model_name) == (CHEAP + DEAR, DEAR, "big")
    assert account(row).saved == {"route": -CHEAP}
    assert account(row).extra == {"retry": CHEAP}


def test_an_answer_that_our_limit_ended_claims_only_what_longer_answers_show() -> None:
    world = World([[answer_of("x", 5, "length")]], endpoints={"short": Endpoint(max_output_tokens=5)})
    for number in range(30):
        world.house.lengths.add("short", "big", 40 + 2 * number)
    asyncio.run(journey(world.exchange(body(model="big"), endpoint="short"), world.house, world.caller()))
    found = account(world.book.rows[0])
    assert found.saved == {"output": (69 - 5) * 20_000_000}
    assert found.low == {"output": (40 - 5) * 20_000_000}
    assert found.high == {"output": (98 - 5) * 20_000_000}


def test_an_answer_that_our_limit_ended_claims_nothing_where_nobody_knows() -> None:
    world = World([[answer_of("x", 5, "length")]], endpoints={"short": Endpoint(max_output_tokens=5)})
    asyncio.run(journey(world.exchange(body(model="big"), endpoint="short"), world.house, world.caller()))
    found = account(world.book.rows[0])
    assert found.saved == {"output": 0}
    assert found.high == {"output": (4096 - 5) * 20_000_000}


def test_a_limit_of_the_caller_is_no_saving_of_ours() -> None:
    world = World([[answer_of("x", 5, "length")]])
    serve(world, body(model="big", max_tokens=5))
    assert account(world.book.rows[0]).saved == {}


def test_a_failed_call_without_a_price_has_no_account() -> None:
    world = World(tiers=Tiers(cheap=("mystery",), expensive=("big",)))
    serve(world, body())
    row = world.book.rows[0]
    assert (row.account, row.cost_picousd, row.baseline_cost_picousd) == (None, None, DEAR)


def test_a_quantized_model_of_ones_own_saves_the_machine_time() -> None:
    models = {
        "small": Model(machine_usd_per_hour=3.6, input_tokens_per_s=4000, output_tokens_per_s=1000, quantized_from="small-bf16"),
        "small-bf16": Model(machine_usd_per_hour=3.6, input_tokens_per_s=2000, output_tokens_per_s=500),
    }
    world = World(models=models)
    world.house = type(world.house)(**{**vars_of(world), "prices": PriceBook(models)})
    serve(world, body(model="small"))
    row = world.book.rows[0]
    # 0.001 USD a second: ten tokens in at 4000/s and five out at 1000/s take 7.5 ms, twice that unquantized.
    assert row.cost_picousd == 7_500_000
    assert account(row).saved == {"quantize": 7_500_000}


def vars_of(world: World) -> dict[str, object]:
    house = world.house
    names = ("config", "clock", "catalog", "router", "cache", "guardrails", "book", "models", "tokens")
    return {name: getattr(house, name) for name in names}


def test_prompt_parts_are_split_by_who_said_them() -> None:
    world = World()
    turns = [
        {"role": "system", "content": "s" * 40},
        {"role": "user", "content": "u" * 10},
        {"role": "assistant", "content": "a" * 10},
        {"role": "user", "content": "<context>" + "d" * 21 + "</context>" + "q" * 20},
    ]
    serve(world, body(messages=turns))
    assert account(world.book.rows[0]).prompt == (3, 1, 3, 3)
