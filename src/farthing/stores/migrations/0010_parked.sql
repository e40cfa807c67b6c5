-- Calls of items that go to a provider as part of its own batch, and those batches. A row of a call lives as long as its item runs.

CREATE TABLE provider_batches (
    tag TEXT NOT NULL PRIMARY KEY,
    service TEXT NOT NULL,
    path TEXT NOT NULL,
    provider_id TEXT,
    state TEXT NOT NULL,
    created_at REAL NOT NULL
);

CREATE TABLE provider_calls (
    item INTEGER NOT NULL PRIMARY KEY,
    digest BLOB NOT NULL,
    service TEXT NOT NULL,
    path TEXT NOT NULL,
    model TEXT NOT NULL,
    body BLOB,
    state TEXT NOT NULL,
    tag TEXT,
    status INTEGER,
    answer BLOB,
    parked_at REAL NOT NULL
);

CREATE INDEX provider_calls_waiting ON provider_calls (service, path, model, parked_at) WHERE state = 'waiting';
CREATE INDEX provider_calls_back ON provider_calls (item) WHERE state IN ('answered', 'missed');
CREATE INDEX provider_calls_tag ON provider_calls (tag) WHERE tag IS NOT NULL;
