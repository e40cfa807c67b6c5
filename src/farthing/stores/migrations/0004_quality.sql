-- The quality guard: who gave a verdict, where each lever stands on each endpoint, and every time that it was turned.

ALTER TABLE judgements ADD COLUMN author TEXT;

-- The same author on the same answer: the last word counts.
CREATE UNIQUE INDEX judgements_author ON judgements (request_id, source, author) WHERE author IS NOT NULL;

-- `stance` is JSON of core.judgement.Stance; workers look at control 'quality', which rises when a phase changed.
CREATE TABLE quality_stances (
    endpoint TEXT NOT NULL,
    lever TEXT NOT NULL,
    stance TEXT NOT NULL,
    PRIMARY KEY (endpoint, lever)
) WITHOUT ROWID;

CREATE TABLE quality_turns (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    endpoint TEXT NOT NULL,
    lever TEXT NOT NULL,
    phase TEXT NOT NULL,
    reason TEXT NOT NULL
);

INSERT INTO control (name, value) VALUES ('quality', 0);
