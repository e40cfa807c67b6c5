"""How long the dashboard thinks: a ledger of ten million rows, its rollups, and the first screen over HTTP.

    python bench/dashboard.py                   10 million rows over 90 days: about 9 GB of disk, half an hour to fill
    python bench/dashboard.py --rows 20000      the same at a size for every day
    python bench/dashboard.py --store big.db    keep the store, and use it again

The ledger is made of 20,000 requests of six endpoints and five tenants (tests/stores/traffic.py), repeated with new ids and later times. Server
time is what one client on the same machine waits for the answers, one after the other, HTTP included.
"""

import argparse
import http.client
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.fakes.gateway import Gateway
from tests.stores import traffic

from _harness import Figure, print_table, save
from farthing import config
from farthing.core.ledger import LedgerRow
from farthing.dashboard.site import PANELS
from farthing.stores.sqlite import database
from farthing.stores.sqlite.rollups import catch_up

GOAL_MS = 300
DAYS = 90
TEMPLATE = 20_000
FIRST_SCREEN = ("outline", "account", "quality")
LOOKS = ("range=24h", "range=7d", "range=30d", "range=90d", "range=365d", "range=90d&tenant=acme", "range=90d&endpoint=faq&tier=cheap")
RUNS = 5
COLUMNS = LedgerRow.__struct_fields__


def make(path: Path, rows: int) -> None:
    """The ledger, in the order of time."""
    store = config.Store(path=str(path))
    database.prepare(store)
    template, now = min(rows, TEMPLATE), time.time()
    copies = -(-rows // template)
    span_s = DAYS * 86_400 / copies
    with closing(database.connect(store)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        written = list(traffic.ledger(template, end=now - (copies - 1) * span_s, days=span_s / 86_400))
        traffic.write(connection, written)
        judged = traffic.judge(connection, written)
        for copy in range(1, copies):
            connection.execute(_COPY, {"shift": copy * span_s, "copy": copy, "most": min(template, rows - copy * template)})
            connection.execute(_JUDGE, {"shift": copy * span_s, "copy": copy, "judged": judged})
            if copy % 25 == 0:
                print(f"  {copy * template:,} rows", file=sys.stderr, flush=True)


def fill(path: Path) -> float:
    """Seconds until every row is counted."""
    began_s = time.perf_counter()
    with closing(database.connect(config.Store(path=str(path)))) as connection:
        catch_up(connection, time.time())
    return time.perf_counter() - began_s


def sums_agree(path: Path) -> bool:
    """Requests and cost in the days' rollups, against the ledger's own."""
    with closing(sqlite3.connect(path)) as connection:
        ledger = connection.execute("SELECT count(*), sum(cost_picousd / 1000000), sum(cost_picousd % 1000000) FROM requests").fetchone()
        rollups = "SELECT sum(requests), sum(cost / 1000000), sum(cost % 1000000) FROM rollups WHERE level = 86400 AND tenant = 0"
        found = connection.execute(rollups).fetchone()
    whole = [(one[0], one[1] * 1_000_000 + one[2]) for one in (ledger, found)]
    return whole[0] == whole[1]


class Client:
    def __init__(self, port: int, key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        self._headers = {"authorization": f"Bearer {key}"}

    def milliseconds(self, name: str, query: str) -> float:
        began_s = time.perf_counter()
        self._connection.request("GET", f"/dashboard/data/{name}?{query}", headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{name}?{query}: {answer.status} {body[:200]!r}")
        return (time.perf_counter() - began_s) * 1000


def measure(path: Path) -> dict[str, dict[str, float]]:
    """Median milliseconds by look and panel; `first` is the very first screen that a fresh gateway shows."""
    with Gateway(f'[store]\npath = "{path}"\n') as gateway:
        client = Client(gateway.port, gateway.new_key("--role", "viewer"))
        found = {"first": {name: client.milliseconds(name, LOOKS[3]) for name in FIRST_SCREEN}}
        for look in LOOKS:
            found[look] = {name: statistics.median(client.milliseconds(name, look) for _ in range(RUNS)) for name in ("outline", *PANELS)}
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--store", type=Path)
    options = parser.parse_args()
    with _store(options.store) as path:
        if not path.exists():
            make(path, options.rows)
        filled_s = fill(path)
        with closing(sqlite3.connect(path)) as connection:
            rows = connection.execute("SELECT count(*) FROM requests").fetchone()[0]
            rollups = connection.execute("SELECT count(*) FROM rollups").fetchone()[0]
        found = measure(path)
        agree = sums_agree(path)
    screens = {look: sum(times[name] for name in FIRST_SCREEN) for look, times in found.items()}
    slowest = max((times[name], name, look) for look, times in found.items() if look != "first" for name in PANELS)
    figures = [
        Figure("ledger rows", rows, "", None, note=f"{rollups:,} rollup rows; sums {'agree' if agree else 'DIFFER'}"),
        Figure("filling", rows / filled_s, "row/s", None, note=f"{filled_s:,.0f} s in all" if filled_s > 1 else "was filled already"),
        Figure("first screen, fresh gateway", screens.pop("first"), "ms", GOAL_MS, note=LOOKS[3]),
        *(Figure(f"first screen, {look}", ms, "ms", GOAL_MS) for look, ms in screens.items()),
        Figure("slowest single panel", slowest[0], "ms", None, note=f"{slowest[1]}, {slowest[2]}"),
    ]
    met = print_table("Dashboard: server time", figures)
    save("dashboard", figures, found)
    return 0 if met and agree else 1


@contextmanager
def _store(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="farthing-dashboard-") as folder:
        yield Path(folder) / "farthing.db"


_SHIFTED = {
    "request_id": "printf('req_%012x%016x', CAST((received_at + :shift) * 1000 AS INTEGER), :copy * 1000000 + rowid)",
    "received_at": "received_at + :shift",
    "run_id": "run_id || '.' || :copy",
}
_COPY = f"""
INSERT INTO requests ({", ".join(COLUMNS)}) SELECT {", ".join(_SHIFTED.get(name, name) for name in COLUMNS)}
FROM requests WHERE rowid <= :most ORDER BY rowid"""
_JUDGED = (
    "judged_at, source, score, reference_score, label, comment, judge_model, cost_picousd, lever, tenant, endpoint, model_tier, cache, experiment"
)
_JUDGE = f"""
INSERT INTO judgements (request_id, {_JUDGED}) SELECT request_id || '.' || :copy, {_JUDGED.replace("judged_at", "judged_at + :shift")}
FROM judgements WHERE id <= :judged ORDER BY id"""


if __name__ == "__main__":
    sys.exit(main())
