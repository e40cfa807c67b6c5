-- The book: one row per settled request, an intent per request in flight, meters for limits and budgets.
-- Money is whole picodollars (1e-12 USD), flags are 0 or 1, NULL is unknown. Columns of `requests` are the fields of core.ledger.LedgerRow.

CREATE TABLE requests (
    request_id TEXT NOT NULL,
    run_id TEXT,
    received_at REAL,
    endpoint TEXT,
    dialect TEXT,
    stream INTEGER,
    tenant TEXT,
    user_hash TEXT,
    key_id TEXT,
    task_type TEXT,
    complexity REAL,
    risk TEXT,
    language TEXT,
    needs_documents INTEGER,
    requested_model TEXT,
    model_tier TEXT,
    model_name TEXT,
    provider TEXT,
    tokens_in INTEGER,
    tokens_out INTEGER,
    tokens_cached INTEGER,
    tokens_cache_write INTEGER,
    tokens_reasoning INTEGER,
    usage_estimated INTEGER,
    latency_total_ms REAL,
    latency_model_ms REAL,
    latency_retrieval_ms REAL,
    latency_queue_ms REAL,
    first_token_ms REAL,
    overhead_ms REAL,
    cache TEXT,
    cache_similarity REAL,
    cache_entry TEXT,
    rag_used INTEGER,
    sources TEXT,
    num_llm_calls INTEGER,
    cost_picousd INTEGER,
    baseline_cost_picousd INTEGER,
    decisions TEXT,
    attempts TEXT,
    outcome TEXT,
    truncated TEXT,
    finish TEXT,
    status INTEGER,
    error_code TEXT,
    error_message TEXT,
    prompt TEXT,
    answer TEXT,
    sampled TEXT
);

CREATE UNIQUE INDEX requests_request_id ON requests (request_id);
CREATE INDEX requests_received_at ON requests (received_at);

CREATE VIEW ledger AS
SELECT *, cost_picousd / 1e12 AS cost_usd, baseline_cost_picousd / 1e12 AS baseline_cost_usd
FROM requests;

-- One row per reservation that nobody has settled yet; `slot` is the byte of the lock file that its worker holds.
CREATE TABLE intents (
    request_id TEXT NOT NULL,
    part INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    intent TEXT NOT NULL,
    PRIMARY KEY (request_id, slot, part)
) WITHOUT ROWID;

CREATE TABLE meters (
    meter TEXT NOT NULL PRIMARY KEY,
    used INTEGER NOT NULL,
    held INTEGER NOT NULL,
    window_ends REAL,
    expires_at REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE keys (
    key_id TEXT NOT NULL PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    tenant TEXT NOT NULL,
    created_at REAL NOT NULL,
    expires_at REAL,
    revoked_at REAL,
    allowed_models TEXT,
    limits TEXT NOT NULL
);

CREATE TABLE cache_entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key BLOB NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    entry_id TEXT NOT NULL,
    created_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    body BLOB NOT NULL,
    meta BLOB NOT NULL
);

CREATE INDEX cache_entries_expires_at ON cache_entries (expires_at);

-- Tombstones, for the memory of other workers. Key and tenant both NULL: everything.
CREATE TABLE cache_drops (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key BLOB,
    tenant TEXT,
    dropped_at REAL NOT NULL
);

-- Facts of this store that do not change by themselves.
CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

-- Counters that rise when something changed; workers poll them.
CREATE TABLE control (
    name TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

INSERT INTO control (name, value) VALUES ('keys', 0);
