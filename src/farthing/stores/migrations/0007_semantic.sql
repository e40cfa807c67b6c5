-- What the semantic cache learned: one row for each question that became a key, with the verdicts on its answer; the index in memory is made of these.
-- `entry` holds the whole answer where the question brought a new one; other rows lead to it by entry_id. `lesson` is the cache's own.

CREATE TABLE semantic_keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    entry_id TEXT NOT NULL,
    tenant TEXT,
    endpoint TEXT,
    created_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    embedder TEXT NOT NULL,
    vector BLOB NOT NULL,
    lesson BLOB NOT NULL
);

CREATE INDEX semantic_keys_entry_id ON semantic_keys (entry_id);
CREATE INDEX semantic_keys_expires_at ON semantic_keys (expires_at);

-- Tombstones, for the memory of other workers: kind is entry, document, tenant, endpoint, tag, dispute or all.
CREATE TABLE semantic_drops (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    dropped_at REAL NOT NULL
);
