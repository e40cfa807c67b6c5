-- Documents for retrieval: collections per tenant, documents with versions, chunks ready to be searched.

-- `version` rises with every change within the collection; indexes in memory look at it. `embedder` is the id of what its vectors came from.
CREATE TABLE collections (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    embedder TEXT NOT NULL,
    chunking TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at REAL NOT NULL,
    UNIQUE (tenant, name)
);

-- A document that was removed keeps its row (`removed_at`), so that a later one of its name goes on counting versions.
CREATE TABLE documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    collection INTEGER NOT NULL REFERENCES collections (id),
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    digest BLOB NOT NULL,
    size_bytes INTEGER NOT NULL,
    chunks INTEGER NOT NULL,
    added_at REAL NOT NULL,
    removed_at REAL,
    UNIQUE (collection, name)
);

-- `digest` is that of heading and text: a chunk that stood in the version before keeps its vectors. `spans` are its sentences, `terms` the
-- numbers of its terms, `vector` and `sentences` directions in one byte a number (brain/retrieve).
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    collection INTEGER NOT NULL,
    document INTEGER NOT NULL REFERENCES documents (id),
    place INTEGER NOT NULL,
    digest BLOB NOT NULL,
    heading TEXT NOT NULL,
    text TEXT NOT NULL,
    spans TEXT NOT NULL,
    terms BLOB NOT NULL,
    vector BLOB NOT NULL,
    sentences BLOB NOT NULL
);

CREATE INDEX chunks_collection ON chunks (collection, id);
CREATE INDEX chunks_document ON chunks (document);

-- Sources ("collection/document@version") that are no longer what their document says: answers that rest on them are stale.
CREATE TABLE document_changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    source TEXT NOT NULL,
    changed_at REAL NOT NULL
);
