"""The audit from files to playbook: what is unknown is counted, what is shown is redacted, more processes change nothing."""

import io
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from farthing.core.errors import ConfigError
from farthing.lab.audit import workers
from farthing.lab.audit.paper import FILES, as_html, write
from farthing.lab.audit.playbook import Playbook
from farthing.lab.audit.run import audit
from farthing.lab.audit.table import as_json, print_playbook, summary
from farthing.settings import load
from tests.lab.audit.test_planted import agents, labelled, prefixed
from tests.lab.audit.traffic import Prices, Words, audited, call, clean, finding


def printed(playbook: Playbook) -> str:
    out = io.StringIO()
    print_playbook(playbook, Console(file=out, width=200))
    return out.getvalue()


def test_models_without_a_price_are_counted_and_in_no_figure(tmp_path: Path) -> None:
    foreign = [
        {**record, "request": {**record["request"], "model": "home-grown"}, "response": {**record["response"], "model": "home-grown"}}
        for record in clean(10)
    ]
    playbook = audited(tmp_path, [*clean(30, seed=2), *foreign])
    assert (playbook.calls, playbook.priced, playbook.unpriced_models) == (40, 30, {"home-grown": 10})
    assert any("No cost is known for 10 calls" in line and "home-grown" in line for line in summary(playbook))
    (line,) = playbook.endpoints
    assert (line.calls, line.unpriced) == (40, 10)
    assert line.per_1k == pytest.approx(playbook.per.per_1k)


def test_a_logged_cost_wins_and_other_currencies_are_not_used(tmp_path: Path) -> None:
    records = clean(30)
    for record in records[:10]:
        record["cost_usd"] = 0.5
    records[20]["cost"] = "0.25 EUR"
    records[21]["request"] |= {"model": "home-grown"}
    records[21]["response"] |= {"model": "home-grown"}
    records[21]["cost_usd"] = 2
    playbook = audited(tmp_path, records)
    assert (playbook.logged_costs, playbook.logs.currencies) == (11, {"EUR": 1})
    assert playbook.usd > 7
    assert playbook.priced == 30


def test_missing_usage_is_estimated_from_text_and_said(tmp_path: Path) -> None:
    records = clean(30)
    for record in records[:5]:
        record["response"].pop("usage")
    playbook = audited(tmp_path, records)
    assert (playbook.estimated, playbook.logs.without_usage) == (5, 5)
    assert float(playbook.usd) == pytest.approx(float(audited(tmp_path, clean(30)).usd), rel=0.02)


def test_the_baseline_of_each_endpoint(tmp_path: Path) -> None:
    records = agents(30, ["a", "b", "c"])
    for record in records:
        record["endpoint"] = "agent"
    records[5]["latency_ms"] = 9000
    records += clean(10)
    first, second = audited(tmp_path, records).endpoints
    assert (first.endpoint, first.calls, first.runs, first.calls_per_run) == ("agent", 60, 30, 2.0)
    assert first.latency_max_s == 9.0
    assert first.latency_average_s == pytest.approx((59 + 9) / 60)
    tokens = [record["response"]["usage"]["prompt_tokens"] for record in records[:60]]
    assert first.tokens_in == pytest.approx(sum(tokens) / 60)
    assert second.calls_per_run == 1.0


def test_unnamed_endpoints_go_by_their_system_prompt(tmp_path: Path) -> None:
    records = clean(20)
    for record in records:
        record.pop("endpoint")
    (line,) = audited(tmp_path, records).endpoints
    assert line.endpoint == 'prompt "Answer in two sentences."'


def test_a_log_without_text_still_gives_a_baseline(tmp_path: Path) -> None:
    rows = [
        {
            "request_id": f"r{at}",
            "call_type": "acompletion",
            "spend": 0.01,
            "startTime": 1e9 + at,
            "model": "x",
            "prompt_tokens": 5,
            "completion_tokens": 5,
        }
        for at in range(40)
    ]
    playbook = audited(tmp_path, rows)
    assert (playbook.usd, playbook.findings) == (Decimal("0.4"), ())


def test_excerpts_and_names_are_redacted(tmp_path: Path) -> None:
    first = [
        call(
            [("user", f"Write to jane.doe@example.com about {Words(at).text(2)}")],
            "Done so.",
            number=at,
            endpoint="mail-bob@example.com",
            stream=True,
        )
        for at in range(20)
    ]
    again = [{**record, "timestamp": record["timestamp"] + 7200} for record in first]
    playbook = audited(tmp_path, [*first, *again])
    assert "[email]" in finding(playbook, "exact_repeats").examples[0].excerpt
    for text in (as_json(playbook), as_html(playbook), playbook.config, printed(playbook)):
        assert "example.com" not in text
    assert "[email]" in printed(playbook)


def test_examples_name_lines_of_the_log(tmp_path: Path) -> None:
    records = clean(20)
    records.append({**records[3], "timestamp": records[3]["timestamp"] + 7200})
    (example,) = finding(audited(tmp_path, records), "exact_repeats").examples
    assert example.source == f"{tmp_path}/log.jsonl:21"
    assert example.excerpt.startswith("Explain ")


def test_the_same_log_gives_the_same_playbook_in_one_process_or_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [*prefixed(60, changing_first=True), *labelled(120, predictable=True), *agents(30, ["search"])]
    alone = audited(tmp_path, records)
    monkeypatch.setattr(workers, "LEAST_BYTES", 0)
    assert as_json(audited(tmp_path, records, processes=2)) == as_json(alone) == as_json(audited(tmp_path, records))


def test_since_leaves_out_the_rest(tmp_path: Path) -> None:
    records = clean(20)
    playbook = audited(tmp_path, records, since=records[15]["timestamp"])
    assert (playbook.calls, playbook.logs.outside) == (5, 15)


def test_nothing_to_audit_is_an_error_with_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Dear diary")
    with pytest.raises(ConfigError, match="No model call found"):
        audit([tmp_path], Prices(), processes=1)


def test_what_is_written_can_be_read_and_the_configuration_loads(tmp_path: Path) -> None:
    again = [{**record, "timestamp": record["timestamp"] + 7200} for record in clean(60)]
    long = [{**record, "endpoint": 'odd "name"'} for record in clean(100, seed=4)]
    for record in long[:10]:
        record["response"]["usage"]["completion_tokens"] = 900
    playbook = audited(tmp_path, [*clean(60), *again, *long, *prefixed(60, changing_first=True), *labelled(120, predictable=True)])
    written = write(playbook, tmp_path / "out")
    assert [path.name for path in written] == list(FILES)
    found = msgspec.json.decode(written[1].read_bytes())
    assert Decimal(found["avoidable_usd"]) == sum(Decimal(one["additive_usd"]) for one in found["findings"])
    config = load(written[2], {"OPENAI_API_KEY": "x"}).config
    assert config.tiers.expensive == ("openai/gpt-4o",)
    assert config.cache.enabled
    assert (config.endpoints['odd "name"'].max_output_tokens or 0) > 0
    html = written[0].read_text()
    assert "Exact repeats" in html
    assert "http://" not in html.replace("http://www.w3.org", "")


def test_a_clean_log_recommends_nothing_and_says_so(tmp_path: Path) -> None:
    playbook = audited(tmp_path, clean(60))
    (tmp_path / "farthing.toml").write_text(playbook.config)
    assert "No finding is worth a lever" in playbook.config
    assert load(tmp_path / "farthing.toml", {"OPENAI_API_KEY": "x"}).config.endpoints == {}
    assert "No waste found" in as_html(playbook)


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="Cannot write to"):
        write(audited(tmp_path, clean(20)), tmp_path / "file")


def test_the_terminal_shows_the_findings_in_order_of_money(tmp_path: Path) -> None:
    again = [{**record, "timestamp": record["timestamp"] + 7200} for record in clean(60)]
    planned = [{**record, "endpoint": "agent"} for record in agents(40, ["search"])]
    playbook = audited(tmp_path, [*clean(60), *again, *planned])
    text = printed(playbook)
    places = [text.index(f"{number}. {one.title}: ") for number, one in enumerate(playbook.findings, start=1)]
    assert places == sorted(places)
    assert len(places) >= 2
    assert [one.usd for one in playbook.findings] == sorted((one.usd for one in playbook.findings), reverse=True)
    assert "per 1M calls" in text
