-- Aggregates of the ledger by minute, hour and day, so that a screen over millions of requests reads thousands of rows. Filled behind the
-- ledger (stores/sqlite/rollups); the ledger stays the truth, and these tables can be emptied and filled again.
-- Money is whole picodollars, times whole microseconds. `level` is the length of a bucket in seconds, `bucket` its start in unix seconds.
-- Tenant 0 is all tenants together.

CREATE TABLE rollup_tenants (
    tenant INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- What requests of one bucket are told apart by; '' is none or unknown.
CREATE TABLE rollup_cells (
    cell INTEGER PRIMARY KEY,
    endpoint TEXT NOT NULL,
    tier TEXT NOT NULL,
    model TEXT NOT NULL,
    cache TEXT NOT NULL,
    outcome TEXT NOT NULL,
    error_code TEXT NOT NULL,
    UNIQUE (endpoint, tier, model, cache, outcome, error_code)
);

CREATE TABLE rollups (
    level INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    tenant INTEGER NOT NULL,
    cell INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    priced INTEGER NOT NULL,
    compared INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    compared_cost INTEGER NOT NULL,
    baseline INTEGER NOT NULL,
    tokens_in INTEGER NOT NULL,
    tokens_out INTEGER NOT NULL,
    tokens_cached INTEGER NOT NULL,
    tokens_unknown INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    failed_calls INTEGER NOT NULL,
    fallbacks INTEGER NOT NULL,
    repairs INTEGER NOT NULL,
    truncated INTEGER NOT NULL,
    latency_us INTEGER NOT NULL,
    gateway_us INTEGER NOT NULL,
    queue_us INTEGER NOT NULL,
    retrieval_us INTEGER NOT NULL,
    first_token_us INTEGER NOT NULL,
    rest_us INTEGER NOT NULL,
    PRIMARY KEY (level, bucket, tenant, cell)
) WITHOUT ROWID;

-- Parts of the savings account: kind 'saved' by lever (with its interval), 'extra' by purpose of the call, 'prompt' in tokens.
CREATE TABLE rollup_parts (
    level INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    tenant INTEGER NOT NULL,
    cell INTEGER NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    amount INTEGER NOT NULL,
    low INTEGER NOT NULL,
    high INTEGER NOT NULL,
    PRIMARY KEY (level, bucket, tenant, cell, kind, name)
) WITHOUT ROWID;

-- Distributions (latency, time to first token, complexity) and the most notable requests; stores/sqlite/rollups/sketch.py reads them.
CREATE TABLE rollup_sketches (
    level INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    tenant INTEGER NOT NULL,
    cell INTEGER NOT NULL,
    latency BLOB NOT NULL,
    first_token BLOB NOT NULL,
    complexity BLOB NOT NULL,
    slowest TEXT NOT NULL,
    dearest TEXT NOT NULL,
    PRIMARY KEY (level, bucket, tenant, cell)
) WITHOUT ROWID;

-- Verdicts on answers, by the time of the verdict. Scores are millionths.
CREATE TABLE rollup_verdicts (
    level INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    tenant INTEGER NOT NULL,
    endpoint TEXT NOT NULL,
    tier TEXT NOT NULL,
    cache TEXT NOT NULL,
    source TEXT NOT NULL,
    lever TEXT NOT NULL,
    verdicts INTEGER NOT NULL,
    scored INTEGER NOT NULL,
    score INTEGER NOT NULL,
    disputed INTEGER NOT NULL,
    paired INTEGER NOT NULL,
    paired_score INTEGER NOT NULL,
    reference_score INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    PRIMARY KEY (level, bucket, tenant, endpoint, tier, cache, source, lever)
) WITHOUT ROWID;

-- A verdict that was counted and then changed: what it said before (sign -1) and says now (sign 1), until both are added up.
CREATE TABLE rollup_amendments (
    id INTEGER PRIMARY KEY,
    sign INTEGER NOT NULL,
    judged_at REAL NOT NULL,
    tenant TEXT,
    endpoint TEXT,
    model_tier TEXT,
    cache TEXT,
    source TEXT,
    lever TEXT,
    score REAL,
    reference_score REAL,
    cost_picousd INTEGER
);

CREATE TRIGGER judgements_amended AFTER UPDATE ON judgements
WHEN OLD.id <= (SELECT at FROM rollup_cursors WHERE source = 'judgements')
BEGIN
    INSERT INTO rollup_amendments (sign, judged_at, tenant, endpoint, model_tier, cache, source, lever, score, reference_score, cost_picousd) VALUES
        (-1, OLD.judged_at, OLD.tenant, OLD.endpoint, OLD.model_tier, OLD.cache, OLD.source, OLD.lever, OLD.score, OLD.reference_score, OLD.cost_picousd),
        (1, NEW.judged_at, NEW.tenant, NEW.endpoint, NEW.model_tier, NEW.cache, NEW.source, NEW.lever, NEW.score, NEW.reference_score, NEW.cost_picousd);
END;

-- Cached answers that were forgotten on request.
CREATE TABLE rollup_drops (
    level INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    scope TEXT NOT NULL,
    drops INTEGER NOT NULL,
    PRIMARY KEY (level, bucket, scope)
) WITHOUT ROWID;

-- How far the ledger, the verdicts and the drops have been counted: the last row, and for the ledger which request that was.
CREATE TABLE rollup_cursors (
    source TEXT NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL,
    request_id TEXT
) WITHOUT ROWID;

INSERT INTO rollup_tenants (tenant, name) VALUES (0, '');
INSERT INTO rollup_cursors (source, at) VALUES ('requests', 0), ('judgements', 0), ('cache_drops', 0);
