"""The three examples beside the plain agents that they stand in for: `python bench/flows.py`. Recorded answers, no network, no key.

What is measured: calls, tokens, cost at list prices, and time at the recorded pace of the model. The table says where the recorded answers come from.
Those that come with Farthing were written by hand, right by the same grading on both sides, at an assumed pace (see `_flow_examples.py`): with them
how well a model answers is not measured. `python examples/record.py` puts a model's own in their place.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench._flow_examples import NAMES, Case, Side, compare, sources  # noqa: E402
from bench._harness import Figure, print_table, save  # noqa: E402


def figures(name: str, found: list[tuple[Case, Side, Side]]) -> Iterator[Figure]:
    agents, flows = [agent for _, agent, _ in found], [flow for _, _, flow in found]
    before, after = sum(side.calls for side in agents), sum(side.calls for side in flows)
    yield Figure(f"{name}: right answers, agent", 100 * mean(agent.right(case) for case, agent, _ in found), "%", None, note=f"{len(found)} cases")
    yield Figure(f"{name}: right answers, flow", 100 * mean(flow.right(case) for case, _, flow in found), "%", 100, at_most=False)
    looked_up = [flow.found(case) for case, _, flow in found if case.finds]
    if looked_up:
        yield Figure(f"{name}: documents looked up hold the answer", 100 * mean(looked_up), "%", 100, at_most=False, note=f"{len(looked_up)} cases")
    yield Figure(f"{name}: fewer model calls", 100 * (1 - after / before), "%", 60, at_most=False, note=f"{before} -> {after}")
    asked = [(agent.calls, flow.calls) for _, agent, flow in found if flow.calls]
    share = 100 * (1 - sum(flow for _, flow in asked) / sum(agent for agent, _ in asked))
    yield Figure(f"{name}: the same, cases with a call only", share, "%", 60, at_most=False, note=f"{len(asked)} of {len(found)} cases")
    cost = [sum(side.cost_usd for side in sides) for sides in (agents, flows)]
    per_1k = [float(one) / len(found) * 1000 for one in cost]
    yield Figure(
        f"{name}: less cost, same model", 100 * float(1 - cost[1] / cost[0]), "%", None, note=f"{per_1k[0]:.4f} -> {per_1k[1]:.4f} USD per 1,000"
    )
    seconds = [mean(side.latency_s for side in sides) for sides in (agents, flows)]
    yield Figure(f"{name}: less time", 100 * (1 - seconds[1] / seconds[0]), "%", None, note=f"{seconds[0]:.2f} -> {seconds[1]:.2f} s a request")


def usual_calls(found: list[tuple[Case, Side, Side]]) -> list[dict[str, int]]:
    """What the agent's calls weigh on average: the figures for `replaces`."""
    columns = zip(*(agent.tokens for _, agent, _ in found), strict=True)
    return [{"input_tokens": round(mean(one[0] for one in calls)), "output_tokens": round(mean(one[1] for one in calls))} for calls in columns]


def main() -> None:
    lines: list[Figure] = []
    raw: dict[str, list[dict[str, int]]] = {}
    for name in NAMES:
        found = compare(name)
        lines += figures(name, found)
        raw[name] = usual_calls(found)
    save("flows", lines, raw)
    told = ", ".join(dict.fromkeys(source for name in NAMES for source in sources(name)))
    print_table(f"Flows beside plain agents; answers and their times: {told}", lines)
    for name, calls in raw.items():
        print(f"  {name}: the agent's calls, for `replaces`: {calls}")


if __name__ == "__main__":
    main()
