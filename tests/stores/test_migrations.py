"""The schema: made once, by whoever comes first; never downgraded."""

import multiprocessing
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from farthing import config
from farthing.core.errors import ConfigError
from farthing.stores.sqlite import Keys, database
from farthing.stores.sqlite.migrations import migrate
from tests.stores.samples import query

PROCESSES = multiprocessing.get_context("forkserver")


def _prepare(path: str, rounds: int, gate: "multiprocessing.synchronize.Barrier") -> None:
    for number in range(rounds):
        gate.wait(30)
        store = config.Store(path=f"{path}{number}")
        database.prepare(store)
        Keys.load(store, environ={}).shut()


def test_processes_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    gate = PROCESSES.Barrier(3)
    children = [PROCESSES.Process(target=_prepare, args=(str(tmp_path / "new"), 20, gate)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0, 0]
    for number in range(20):
        assert query(str(tmp_path / f"new{number}"), "SELECT name FROM control ORDER BY name") == [("keys",), ("quality",)]


def test_steps_run_once_and_in_order(tmp_path: Path) -> None:
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE t (a);\nINSERT INTO t VALUES ('x;y');\n")
    with closing(sqlite3.connect(tmp_path / "db", isolation_level=None)) as connection:
        migrate(connection, "db", tmp_path)
        (tmp_path / "0002_second.sql").write_text("-- why; not\nALTER TABLE t ADD COLUMN b DEFAULT 2;")
        for _ in range(2):
            migrate(connection, "db", tmp_path)
        assert connection.execute("SELECT * FROM t").fetchall() == [("x;y", 2)]


def test_a_step_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE t (a);\nINSERT INTO nowhere VALUES (1);")
    with closing(sqlite3.connect(tmp_path / "db", isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError, match="nowhere"):
            migrate(connection, "db", tmp_path)
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    store = config.Store(path=str(tmp_path / "db"))
    database.prepare(store)
    with closing(sqlite3.connect(store.path)) as connection:
        connection.execute("PRAGMA user_version=999")
    with pytest.raises(ConfigError, match=r"schema 999; this Farthing knows \d+\. Upgrade Farthing"):
        database.prepare(store)


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "db").write_text("hello, I am a text file, and long enough to have a header" * 20)
    with pytest.raises(ConfigError, match=r"not a database.*store\.path"):
        database.prepare(config.Store(path=str(tmp_path / "db")))


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"No such file.*store\.path"):
        database.prepare(config.Store(path=str(tmp_path / "nowhere" / "db")))
