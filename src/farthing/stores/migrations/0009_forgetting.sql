-- One way to forget for all lanes of the cache. Answers kept before say too little of what they rest on, and are let go.

DROP TABLE cache_entries;
DROP TABLE cache_drops;
DROP TABLE semantic_drops;
DELETE FROM semantic_keys;

CREATE TABLE cache_entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key BLOB NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    entry_id TEXT NOT NULL,
    created_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    meta BLOB NOT NULL,
    body BLOB NOT NULL
);

CREATE INDEX cache_entries_entry_id ON cache_entries (entry_id);
CREATE INDEX cache_entries_expires_at ON cache_entries (expires_at);

-- What answers rest on, in the words of core.forgetting.marks; most have none.
CREATE TABLE cache_marks (
    mark TEXT NOT NULL,
    entry_id TEXT NOT NULL,
    PRIMARY KEY (mark, entry_id)
) WITHOUT ROWID;

-- Tombstones, for the memory of other workers; kind and value are those of core.forgetting.Drop, tenant NULL: everybody's.
CREATE TABLE cache_drops (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    tenant TEXT,
    dropped_at REAL NOT NULL
);

CREATE INDEX cache_drops_dropped_at ON cache_drops (dropped_at);

-- Labels brought in by `farthing cache calibrate`, for every namespace of an endpoint; `labels` is the cache's own.
CREATE TABLE semantic_calibrations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    endpoint TEXT NOT NULL, -- empty: all
    embedder TEXT NOT NULL,
    created_at REAL NOT NULL,
    labels BLOB NOT NULL,
    UNIQUE (tenant, endpoint, embedder)
);

UPDATE rollup_cursors SET at = 0 WHERE source = 'cache_drops';
