"""A batch survives kill -9: every item is answered once, whatever instant the gateway dies at.

FARTHING_BATCH_ITEMS and FARTHING_BATCH_KILLS set the size (240 and 3 when unset); `python bench/batch.py` runs 10,000 items and 20 kills.
"""

import json
import os
import random
from typing import Any

from openai import OpenAI

from tests.fakes.figures import figure
from tests.fakes.gateway import UPSTREAM_ENV, Gateway, poll, upstream_config
from tests.fakes.upstream import FakeUpstream

ITEMS = int(os.environ.get("FARTHING_BATCH_ITEMS", "240"))
KILLS = int(os.environ.get("FARTHING_BATCH_KILLS", "3"))
ENDED_S = 60 + ITEMS / 20


def _line(number: int) -> dict[str, Any]:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"hold:20 item {number}"}]}
    return {"custom_id": f"item-{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}


def _answered(gateway: Gateway) -> int:
    return gateway.query("SELECT count(*) AS n FROM batch_items WHERE state = 'done'")[0]["n"]


def test_every_item_is_answered_once(tmp_path: Any) -> None:
    draw = random.Random(7)
    with (
        FakeUpstream(UPSTREAM_ENV["FAKE_OPENAI_KEY"]) as upstream,
        Gateway(upstream_config(upstream.base_url), env=UPSTREAM_ENV, directory=tmp_path) as gateway,
    ):
        client = OpenAI(base_url=gateway.base_url + "/v1", api_key="unused", max_retries=0, timeout=60)
        content = "".join(json.dumps(_line(number)) + "\n" for number in range(ITEMS)).encode()
        file = client.files.create(file=("in.jsonl", content), purpose="batch")
        batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
        kept: dict[int, tuple[int, bytes]] = {}
        for after in (0, *sorted(draw.sample(range(1, ITEMS), KILLS - 1))):
            poll(lambda after=after: _answered(gateway) >= after, ENDED_S, f"{after} answers")
            gateway.kill()
            now = {row["id"]: (row["epoch"], row["response"]) for row in gateway.query("SELECT * FROM batch_items WHERE state = 'done'")}
            assert kept.items() <= now.items(), "an answer changed"
            kept = now
            gateway.start()
        poll(lambda: client.batches.retrieve(batch.id).status == "completed", ENDED_S, "the end of the batch")
        lines = [json.loads(one) for one in client.files.content(client.batches.retrieve(batch.id).output_file_id or "").text.splitlines()]
        said = {one["custom_id"]: one["response"]["body"]["choices"][0]["message"]["content"] for one in lines}
        assert len(lines) == len(said) == ITEMS
        assert said == {f"item-{number}": f"echo: hold:20 item {number}" for number in range(ITEMS)}
        answered = {row["request_id"] for row in gateway.query("SELECT request_id FROM batch_items")}
        rows = {row["request_id"]: row["outcome"] for row in gateway.rows(lane="background")}
        assert answered == {request_id for request_id, outcome in rows.items() if outcome == "ok"}, (
            "an answer without its row, or a row without its answer"
        )
        assert gateway.query("SELECT count(*) AS n FROM intents") == [{"n": 0}]
        client.close()
        more = len(upstream.calls()) - ITEMS
        figure("R1 batch", f"{ITEMS} items answered exactly once across {KILLS} kill -9; {more} calls in flight were made again")
