-- The savings account of each request, the experiment that its run takes part in, and what was said of its answer afterwards.

ALTER TABLE requests ADD COLUMN account TEXT;
ALTER TABLE requests ADD COLUMN experiment TEXT;

-- Verdicts on answers: feedback of users, judges, shadow comparisons, imported evals. One answer may have several.
-- Scores run from 0 to 1; reference_score is that of the expensive tier's answer to the same question, where one was made.
-- What a verdict cost is charged to a lever ("route", "cache", ... of core.account.SAVERS): it is no part of the request's own row.
CREATE TABLE judgements (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    request_id TEXT NOT NULL,
    judged_at REAL NOT NULL,
    source TEXT NOT NULL,
    score REAL,
    reference_score REAL,
    label TEXT,
    comment TEXT,
    judge_model TEXT,
    cost_picousd INTEGER,
    lever TEXT,
    tenant TEXT,
    endpoint TEXT,
    model_tier TEXT,
    cache TEXT,
    experiment TEXT
);

CREATE INDEX judgements_request_id ON judgements (request_id);
CREATE INDEX judgements_judged_at ON judgements (judged_at);

DROP VIEW ledger;
CREATE VIEW ledger AS
SELECT *, cost_picousd / 1e12 AS cost_usd, baseline_cost_picousd / 1e12 AS baseline_cost_usd
FROM requests;
