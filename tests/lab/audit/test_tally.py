"""Findings overlap; their additive parts are the whole, to the picodollar."""

import math
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.core.money import from_picousd
from farthing.lab.audit.costs import LUMPS, Billed, Costs
from farthing.lab.audit.facts import Facts
from farthing.lab.audit.finders.base import Cut
from farthing.lab.audit.tally import Tally, Together
from tests.lab.audit.traffic import audited, clean, finding

SHARES = st.floats(0, 1)
CUTS = st.builds(
    lambda lumps, shares: Cut(tuple(sorted(lumps)), *sorted(shares)),
    st.sets(st.integers(0, LUMPS - 1), min_size=1),
    st.tuples(SHARES, SHARES, SHARES),
)


def billed(usd: list[float]) -> Billed:
    facts = cast(Any, Facts)
    call = facts(**dict.fromkeys(Facts.__struct_fields__) | {"endpoint": "e"})
    return Billed(call, Costs(round(sum(usd) * 1e12), tuple(usd), (0.0,) * 5, None))


@given(usd=st.lists(st.floats(0, 1), min_size=LUMPS, max_size=LUMPS), cuts=st.lists(CUTS, min_size=1, max_size=6))
def test_additive_parts_are_the_whole_and_no_more_than_the_cost(usd: list[float], cuts: list[Cut]) -> None:
    one, tallies, together = billed(usd), [Tally() for _ in cuts], Together()
    together.add(one, list(zip(tallies, cuts, strict=True)), 0)
    assert sum(tally.additive_picousd for tally in tallies) == together.picousd
    assert 0 <= together.picousd <= one.costs.picousd + 1
    assert all(tally.additive_picousd >= -1 for tally in tallies)
    kept = sum(amount * math.prod(1 - cut.point for cut in cuts if lump in cut.lumps) for lump, amount in enumerate(usd))
    assert together.picousd == pytest.approx((sum(usd) - kept) * 1e12, abs=2)


@given(usd=st.lists(st.floats(0.01, 1), min_size=LUMPS, max_size=LUMPS), cuts=st.lists(CUTS, min_size=2, max_size=5), order=st.randoms())
def test_the_order_of_the_findings_does_not_matter(usd: list[float], cuts: list[Cut], order: Any) -> None:
    def parts(places: list[int]) -> dict[int, int]:
        tallies, together = [Tally() for _ in cuts], Together()
        together.add(billed(usd), [(tallies[place], cuts[place]) for place in places], 0)
        return {place: tallies[place].additive_picousd for place in places}

    forward = list(range(len(cuts)))
    shuffled = forward.copy()
    order.shuffle(shuffled)
    assert parts(forward) == pytest.approx(parts(shuffled), abs=len(cuts))


def test_a_call_that_is_wholly_avoidable_leaves_nothing_to_the_rest() -> None:
    whole, half = Cut(tuple(range(LUMPS)), 1.0, 1.0, 1.0), Cut((0,), 0.5, 0.5, 0.5)
    cached, shorter, together = Tally(), Tally(), Together()
    together.add(billed([0.4, 0, 0, 0, 0, 0.6, 0]), [(cached, whole), (shorter, half)], 0)
    assert together.picousd == 1_000_000_000_000
    assert shorter.additive_picousd < 0.02e12


def test_the_playbook_adds_up_where_findings_overlap(tmp_path: Path) -> None:
    first = clean(80)
    for record in first:
        record["request"].pop("stream")
        record |= {"endpoint": "nightly-batch"}
    again = [{**record, "timestamp": record["timestamp"] + 7200} for record in first]
    playbook = audited(tmp_path, [*first, *again])
    assert {one.kind for one in playbook.findings} == {"exact_repeats", "batchable"}
    assert sum(one.additive_usd for one in playbook.findings) == playbook.avoidable_usd < sum(one.usd for one in playbook.findings)
    assert float(playbook.avoidable_usd) == pytest.approx(float(playbook.usd) * 0.75, rel=1e-6)
    assert playbook.avoidable_low_usd <= playbook.avoidable_usd <= playbook.avoidable_high_usd <= playbook.usd + from_picousd(1000)
    assert finding(playbook, "exact_repeats").additive_usd > finding(playbook, "batchable").additive_usd
