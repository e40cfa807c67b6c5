-- Patient work. Files come in parts, so that none holds up the writer; an answer file has none: its lines are read off the items.

ALTER TABLE requests ADD COLUMN lane TEXT;

CREATE TABLE files (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    key_id TEXT,
    name TEXT NOT NULL,
    purpose TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    created_at REAL NOT NULL,
    expires_at REAL,
    batch TEXT,
    part TEXT,
    whole INTEGER NOT NULL
);

CREATE INDEX files_tenant ON files (tenant, created_at);

CREATE TABLE file_parts (
    id INTEGER PRIMARY KEY,
    file TEXT NOT NULL,
    content BLOB NOT NULL
);

CREATE INDEX file_parts_file ON file_parts (file);

-- `slot`: the worker that reads its file, while it does. Columns up to `resumes_at` are the fields of core.batch.Batch.
CREATE TABLE batches (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    key_id TEXT,
    kind TEXT NOT NULL,
    path TEXT NOT NULL,
    input_file TEXT,
    output_file TEXT,
    error_file TEXT,
    status TEXT NOT NULL,
    window TEXT NOT NULL,
    metadata TEXT,
    headers TEXT NOT NULL,
    created_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    in_progress_at REAL,
    finalizing_at REAL,
    completed_at REAL,
    failed_at REAL,
    expired_at REAL,
    cancelling_at REAL,
    cancelled_at REAL,
    total INTEGER NOT NULL,
    done INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    errors TEXT,
    resumes_at REAL,
    slot INTEGER
);

CREATE INDEX batches_tenant ON batches (tenant, created_at);
CREATE INDEX batches_open ON batches (status) WHERE status IN ('validating', 'in_progress', 'finalizing', 'cancelling');

-- States are those of core.batch.ItemState. `slot` is the byte of the lock file that the running item's worker holds.
CREATE TABLE batch_items (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    batch TEXT NOT NULL,
    line INTEGER NOT NULL,
    custom_id TEXT NOT NULL,
    body BLOB,
    prefix BLOB NOT NULL,
    twin_of INTEGER,
    state TEXT NOT NULL,
    slot INTEGER,
    epoch INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    not_before REAL,
    request_id TEXT,
    response BLOB,
    reuse BLOB
);

CREATE UNIQUE INDEX batch_items_line ON batch_items (batch, line);
CREATE INDEX batch_items_queue ON batch_items (batch, prefix, line) WHERE state = 'queued';
CREATE INDEX batch_items_later ON batch_items (not_before) WHERE state = 'later';
CREATE INDEX batch_items_running ON batch_items (slot) WHERE state = 'running';
CREATE INDEX batch_items_twins ON batch_items (batch, twin_of) WHERE twin_of IS NOT NULL;
