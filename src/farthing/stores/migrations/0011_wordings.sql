-- What documents give two names: abbreviations that they spell out, words that they write with a hyphen. For the search by words (brain/retrieve/expand).
CREATE TABLE wordings (
    collection INTEGER NOT NULL,
    document INTEGER NOT NULL,
    kind TEXT NOT NULL,
    short TEXT NOT NULL,
    long TEXT NOT NULL
);

CREATE INDEX wordings_document ON wordings (document);
