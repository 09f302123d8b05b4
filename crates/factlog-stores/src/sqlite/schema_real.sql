-- Format 1: SQLite's own indexes.
CREATE TABLE streams (
    sid             INTEGER PRIMARY KEY,
    name            TEXT NOT NULL UNIQUE,
    category        TEXT NOT NULL,
    removed_version INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX streams_by_category ON streams (category);

CREATE UNIQUE INDEX events_by_stream ON events (sid, version);
CREATE INDEX events_by_type ON events (tid);
CREATE INDEX events_by_correlation ON events (correlation) WHERE correlation IS NOT NULL;
CREATE UNIQUE INDEX events_by_id ON events (id);
