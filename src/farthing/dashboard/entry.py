"""One entry of the cache: what it says, what it rests on, whom it was served to and why, and who disputed it."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from farthing.brain.cards import Card, cards
from farthing.core.decision import Decision
from farthing.core.errors import NotFound
from farthing.dashboard.panel import Figures, Panel
from farthing.page import Block, Cell, Code, Column, Fold, Note, Stat, Stats, Table, show
from farthing.stores.sqlite.cacherows import answers, lessons, uses

PREFIX = "ans"
_SHOWN = 50
_KEYS = 50
_HITS = "request_id, received_at, cache, cache_similarity, decisions, baseline_cost_picousd - cost_picousd"


def panel(connection: sqlite3.Connection, entry_id: str, now: float, *, tenant: str | None, on_record: Callable[[str], str], texts: bool) -> Panel:
    """Its page. Raises `NotFound`, also for an entry of a tenant that this reader may not see. Without `texts` the words of people are left out."""
    found = cards(answers(connection, now, None, entry_id), lessons(connection, now, None, entry_id), uses(connection, [entry_id]))
    card = next((one for one in found if tenant in (None, on_record(one.tenant))), None)
    hits = _hits(connection, entry_id, tenant)
    if card is None and not hits:
        raise NotFound(f"There is no entry '{entry_id[:80]}' in the cache, nor a request that was served one.")
    blocks: list[Block] = [] if card is not None else [Note("It is not in the store any more: expired, evicted or forgotten.", "warn")]
    if card is not None:
        blocks += [_headline(card), _facts(card)]
    blocks.append(_why(hits, texts=texts))
    disputes = _disputes(connection, entry_id, tenant)
    if disputes is not None:
        blocks.append(disputes)
    if card is not None and texts:
        blocks.append(Fold("Answer", [Code(card.answer)]))
        asked = [[key] for key in (card.keys or (card.user_query_example,))[:_KEYS]]
        blocks.append(Fold("Questions that lead to it", [Table(["Asked as"], asked)]))
    columns = ("request_id", "received_at", "lane", "similarity", "why", "saved_picousd")
    return Panel(
        "request", entry_id, blocks, Figures(columns, [(*row[:4], _reason(row[4]), row[5]) for row in hits] if texts else []), "cached answer"
    )


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _headline(card: Card) -> Stats:
    return Stats(
        [
            Stat("Lanes", ", ".join(card.lanes), card.slot or ""),
            Stat("Hits", show(card.hits, "count"), f"{card.disputes} disputed", "bad" if card.disputes else None),
            Stat("Cost when made", show(None if card.cost_usd is None else float(card.cost_usd), "usd"), card.model),
            Stat("Size", f"{card.size_bytes:,} bytes", f"{len(card.keys)} questions lead to it by meaning"),
        ]
    )


def _facts(card: Card) -> Block:
    usage = card.usage
    rows = [
        ["Tenant", card.tenant],
        ["Endpoint", card.endpoint],
        ["Language", card.language or "unknown"],
        ["Rests on", ", ".join(card.source_docs) or "no document"],
        ["Collection", card.collection or "none"],
        ["Prompt version", card.prompt_version or "none"],
        ["Policy version", card.policy_version or "none"],
        ["Tags", ", ".join(card.tags) or "none"],
        ["Tokens", "unknown" if usage is None else f"{usage.input_tokens} in, {usage.output_tokens} out"],
        ["Embedder", card.embedder or "none: not in the semantic lane"],
        ["Asked", f"{_moment(card.created_at)} UTC"],
        ["Dies", f"{_moment(card.expires_at)} UTC"],
    ]
    return Table(["", ""], rows, "What it rests on")


def _hits(connection: sqlite3.Connection, entry_id: str, tenant: str | None) -> list[tuple[Any, ...]]:
    whose = "" if tenant is None else "AND tenant = ?"
    sql = f"SELECT {_HITS} FROM requests WHERE cache_entry = ? {whose} ORDER BY received_at DESC LIMIT {_SHOWN}"
    return connection.execute(sql, (entry_id,) if tenant is None else (entry_id, tenant)).fetchall()


def _reason(decisions: str | None) -> str:
    found = msgspec.json.decode(decisions or "[]", type=list[Decision])
    return next((one.reason for one in found if one.lever == "cache" and one.action not in ("miss", "bypass")), "")


def _why(hits: list[tuple[Any, ...]], *, texts: bool) -> Block:
    """A hit's reason quotes the question that the answer was kept under: for those who may read the words of people."""
    if not hits:
        return Note("Nobody was served it yet.")
    rows: list[list[Cell | str]] = [
        [
            Cell(_moment(at), link=f"?request={request_id}"),
            lane,
            "" if similarity is None else f"{similarity:.3f}",
            _reason(decisions) if texts else _reason(decisions).partition(", asked as: ")[0],
        ]
        for request_id, at, lane, similarity, decisions, _ in hits
    ]
    return Table(["Served, UTC", "Lane", Column("Similarity", right=True), "Why it was a hit"], rows, "Served to")


def _disputes(connection: sqlite3.Connection, entry_id: str, tenant: str | None) -> Block | None:
    sql = f"""SELECT j.judged_at, j.request_id, j.label, j.score FROM judgements j JOIN requests r ON r.request_id = j.request_id
        WHERE r.cache_entry = ? {"" if tenant is None else "AND r.tenant = ?"} AND j.source = 'feedback' AND (j.label = 'wrong_hit' OR j.score < 0.5)
        ORDER BY j.judged_at DESC LIMIT {_SHOWN}"""
    found = connection.execute(sql, (entry_id,) if tenant is None else (entry_id, tenant)).fetchall()
    rows: list[list[Cell | str]] = [
        [Cell(_moment(at), link=f"?request={request_id}"), label or "", show(score, "percent")] for at, request_id, label, score in found
    ]
    return Table(["Said, UTC", "Label", Column("Score", right=True)], rows, "Disputes") if rows else None
