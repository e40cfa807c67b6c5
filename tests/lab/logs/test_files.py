"""Files as they come: packed, broken, empty, foreign, in heaps."""

import gzip
import io
import json
import random
import sqlite3
import sys
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from farthing.core.errors import ConfigError
from farthing.core.request import Turn
from farthing.lab.logs import cutting, open_logs, read_block
from tests.fakes.ledger import write
from tests.lab.logs import samples

LINE = json.dumps(samples.EXCHANGES["request and response"]) + "\n"


def line(number: int, **more: Any) -> str:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": f"question {number}"}]}
    return json.dumps({"request": body, "response": samples.COMPLETION, "id": f"r{number}", **more}) + "\n"


@pytest.mark.parametrize("pack", ["plain", "gzip", "zstd", "zstd frames", "bom"])
def test_packed_files_whatever_they_are_called(tmp_path: Path, pack: str) -> None:
    text = (LINE * 3).encode()
    packed = {
        "plain": text,
        "gzip": gzip.compress(text),
        "zstd": zstandard.compress(text),
        "zstd frames": zstandard.compress(LINE.encode()) + zstandard.compress(LINE.encode() * 2),
        "bom": b"\xef\xbb\xbf" + text,
    }
    (tmp_path / "log.dat").write_bytes(packed[pack])
    logs = open_logs([tmp_path / "log.dat"])
    assert [call.source for call in logs] == [f"{tmp_path}/log.dat:{number}" for number in (1, 2, 3)]
    assert logs.counts.bytes_read == logs.counts.bytes_total == len(packed[pack])


def test_directories_are_read_in_order_and_to_their_depth(tmp_path: Path) -> None:
    for name, number in (("b/2.jsonl", 2), ("a/1.jsonl", 1), ("c.jsonl", 3), (".hidden/x.jsonl", 4)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(line(number))
    logs = open_logs([tmp_path])
    assert [call.request_id for call in logs] == ["r1", "r2", "r3"]
    assert logs.counts.files == 3


def test_broken_lines_are_counted_sampled_and_skipped(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(
        line(1)
        + '{"request": {"mod\n'
        + "\n"
        + '{"hello": 1}\n'
        + '{"request": {}, "response": {}}\n'
        + line(2, latency_ms="soon")
        + line(3)
        + "\x00\n"
    )
    logs = open_logs([path])
    assert [call.request_id for call in logs] == ["r1", "r3"]
    assert (logs.counts.calls, logs.counts.broken, logs.counts.records) == (2, 5, 7)
    places = dict(logs.counts.broken_samples)
    assert list(places) == [f"{path}:{number}" for number in (2, 4, 5, 6, 8)]
    assert "not a JSON object" in places[f"{path}:2"]
    assert "no known format has the fields hello" in places[f"{path}:4"]


def test_samples_of_broken_lines_are_bounded(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(line(1) + "{\n" * 1000)
    logs = open_logs([tmp_path / "log"])
    assert (len(list(logs)), logs.counts.broken, len(logs.counts.broken_samples)) == (1, 1000, 20)


def test_a_packed_file_that_ends_early_keeps_what_came(tmp_path: Path) -> None:
    text = "".join(line(number) for number in range(5000)).encode()
    (tmp_path / "log.gz").write_bytes(gzip.compress(text)[:-500])
    logs = open_logs([tmp_path / "log.gz"])
    assert 3000 < len(list(logs)) < 5000
    assert "damaged or ends early" in logs.counts.unreadable[0][1]


def test_unknown_and_empty_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Dear diary")
    (tmp_path / "b.jsonl").write_text("")
    (tmp_path / "c.csv").write_text("name,price\nx,1\n")
    (tmp_path / "d.jsonl").write_text(LINE)
    logs = open_logs([tmp_path])
    assert len(list(logs)) == 1
    assert [Path(file).name for file, _ in logs.counts.unreadable] == ["a.txt", "c.csv"]
    assert "Looked for" in logs.counts.unreadable[0][1]
    assert [Path(file).name for file in logs.counts.empty] == ["b.jsonl"]


def test_nothing_to_read_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"hello": 1}\n')
    logs = open_logs([tmp_path])
    assert list(logs) == []
    with pytest.raises(ConfigError, match=r"(?s)No model call.*a.jsonl:1.*hello.*LiteLLM spend logs: .*spend"):
        logs.require_calls()
    with pytest.raises(ConfigError, match="There is no /no/such/log"):
        open_logs(["/no/such/log"])


def test_a_missing_path_beside_a_present_one_is_reported(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(LINE)
    logs = open_logs([tmp_path / "log", tmp_path / "gone"])
    assert len(list(logs)) == 1
    assert logs.counts.unreadable == [(f"{tmp_path}/gone", "No such file or directory")]


def test_other_currencies_are_counted_and_never_taken_for_dollars(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(line(1, cost=0.5, currency="EUR") + line(2, cost="€0.25") + line(3, cost="$0.125") + line(4, cost=0.5, currency="usd"))
    logs = open_logs([path])
    assert [(call.cost_usd, call.currency) for call in logs] == [(None, "EUR"), (None, "EUR"), (Decimal("0.125"), None), (Decimal("0.5"), None)]
    assert logs.counts.currencies == {"EUR": 2}


def test_since_leaves_out_what_is_older_or_undated(tmp_path: Path) -> None:
    undated = {**samples.COMPLETION, "created": None}
    path = tmp_path / "log"
    path.write_text(line(1, timestamp=100) + line(2, timestamp=200) + line(3, response=undated))
    logs = open_logs([path], since=150.0)
    assert [call.request_id for call in logs] == ["r2"]
    assert logs.counts.outside == 2


def test_cells_over_several_lines(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text('request;response;id\n"first\n""quoted""; line";yes;1\nplain;no;2\nshort;row\nlast;no;3')
    logs = open_logs([path])
    calls = list(logs)
    assert [(call.request_id, call.turns[0].text) for call in calls] == [("1", 'first\n"quoted"; line'), ("2", "plain"), ("3", "last")]
    assert [call.source.rpartition(":")[2] for call in calls] == ["2", "3", "5"]
    assert logs.counts.broken_samples == [(f"{path}:4", "a row of 2 cells under a header of 3")]


@given(
    texts=st.lists(st.text(alphabet='ab"\\{}[],\n é', max_size=12), min_size=1, max_size=8),
    size=st.integers(1, 40),
    form=st.sampled_from(["lines", "array", "documents", "csv"]),
)
def test_cutting_anywhere_loses_nothing(texts: list[str], size: int, form: str) -> None:
    records = [{"prompt": f"x{text}", "answer": text + "y"} for text in texts]
    written = {
        "lines": "\n".join(map(json.dumps, records)),
        "array": json.dumps(records, indent=1, ensure_ascii=False),
        "documents": "\n".join(json.dumps(record, indent=1) for record in records),
        "csv": "prompt,answer\n" + "\n".join(",".join('"' + cell.replace('"', '""') + '"' for cell in record.values()) for record in records),
    }[form].encode()
    chunks = [written[start : start + size] for start in range(0, len(written), size)]
    if form == "csv":
        blocks = cutting.csv_rows("f", chunks, ("prompt", "answer"), ",")
    else:
        blocks = (cutting.lines if form == "lines" else cutting.objects)("f", chunks)
    batches = [read_block(block) for block in blocks]
    assert [(call.turns[0].text, call.answer) for batch in batches for call in batch.calls] == [(r["prompt"], r["answer"]) for r in records]
    first = 2 if form == "csv" else 1
    assert [int(call.source.rpartition(":")[2]) for batch in batches for call in batch.calls] == list(range(first, first + len(records)))


def test_the_ledger_with_and_without_text(tmp_path: Path) -> None:
    row = {"endpoint": "faq", "model_name": "gpt-4o", "provider": "openai", "tokens_in": 12, "tokens_out": 3, "cost_picousd": 60_000_000}
    prompt = f"system: {samples.SYSTEM}\n\nuser: {samples.QUESTION}"
    path = write(tmp_path / "farthing.db", [row, {**row, "prompt": prompt, "answer": samples.ANSWER, "cost_picousd": None}])
    logs = open_logs([path])
    bare, full = logs
    assert (bare.turns, bare.answer, bare.cost_usd, bare.latency_s) == ((), None, Decimal("0.00006"), 0.1)
    assert (full.turns, full.answer, full.cost_usd) == ((Turn("system", samples.SYSTEM), Turn("user", samples.QUESTION)), samples.ANSWER, None)
    assert logs.counts.formats == {"Farthing ledger": 2}


def test_the_ledger_says_how_likely_a_choice_was_and_how_its_answer_was_judged(tmp_path: Path) -> None:
    chosen = [{"lever": "route", "action": "cheap", "reason": "learned", "propensity": 0.04}, {"lever": "check", "action": "passed", "reason": "x"}]
    escalated = [*chosen, {"lever": "route", "action": "escalated", "reason": "answer read"}]
    path = write(tmp_path / "farthing.db", [{"decisions": json.dumps(chosen)}, {}, {"decisions": json.dumps(escalated)}])
    with closing(sqlite3.connect(path)) as connection, connection:
        rows = [("req_0", 1.0, "judge", 0.5), ("req_0", 2.0, "feedback", 1.0), ("req_0", 3.0, "shadow", None)]
        connection.executemany("INSERT INTO judgements (request_id, judged_at, source, score) VALUES (?, ?, ?, ?)", rows)
    explored, certain, replaced = open_logs([path])
    assert (explored.propensity, explored.score) == (0.04, 0.75)
    assert (certain.propensity, certain.score) == (None, None)
    assert replaced.propensity is None


def test_parquet_of_any_format(tmp_path: Path) -> None:
    for name, record in (("spend", samples.LITELLM), ("observations", samples.LANGFUSE), ("exchanges", samples.EXCHANGES["request and response"])):
        flat = {key: json.dumps(value) if isinstance(value, dict | list) else value for key, value in record.items()}
        pq.write_table(pa.Table.from_pylist([flat, flat]), tmp_path / name)
    logs = open_logs([tmp_path])
    assert {(call.answer, call.tokens_in) for call in logs} == {(samples.ANSWER, 12)}
    assert logs.counts.calls == 6


def test_a_damaged_parquet_and_a_foreign_database_are_reported(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and nothing else")
    (tmp_path / "b.db").write_bytes(b"SQLite format 3\0" + bytes(200))
    (tmp_path / "c").write_text(LINE)
    logs = open_logs([tmp_path])
    assert (len(list(logs)), logs.counts.unreadable_files) == (1, 2)


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LINE.encode() * 2)))
    assert [call.source for call in open_logs(["-"])] == ["-:1", "-:2"]


@given(
    st.sampled_from(
        [LINE, json.dumps(samples.LANGFUSE), json.dumps([samples.HELICONE]), "request,response\nq,a\n", json.dumps(samples.SPANS["content events"])]
    ),
    st.lists(st.tuples(st.integers(0, 2000), st.binary(min_size=1, max_size=6)), min_size=1, max_size=6),
)
def test_damage_is_counted_and_never_raised(tmp_path_factory: pytest.TempPathFactory, text: str, damage: list[tuple[int, bytes]]) -> None:
    raw = bytearray(text.encode() * 2)
    for at, piece in damage:
        raw[at % len(raw) : at % len(raw) + len(piece)] = piece
    path = tmp_path_factory.mktemp("damaged") / "log"
    path.write_bytes(bytes(raw))
    logs = open_logs([path])
    calls = list(logs)
    counts = logs.counts
    assert counts.calls == len(calls)
    assert counts.records >= counts.broken + counts.skipped
    assert counts.calls + counts.broken + counts.skipped + counts.unreadable_files + counts.empty_files > 0


def test_bytes_that_are_no_log_at_all(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(random.Random(1).randbytes(100_000))
    (tmp_path / "log").write_text(LINE)
    logs = open_logs([tmp_path])
    assert (len(list(logs)), logs.counts.unreadable_files) == (1, 1)
