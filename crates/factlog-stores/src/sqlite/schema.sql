-- The tables of every log. docs/format.md explains them.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value NOT NULL
) WITHOUT ROWID;

CREATE TABLE types (
    tid  INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE sources (
    source_id INTEGER PRIMARY KEY,
    name      TEXT NOT NULL UNIQUE
);

CREATE TABLE events (
    position    INTEGER PRIMARY KEY,
    sid         INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    tid         INTEGER NOT NULL,
    source_id   INTEGER,
    recorded_at INTEGER NOT NULL,
    occurred_at INTEGER,
    id          BLOB NOT NULL,
    correlation,
    causation   BLOB,
    checksum    INTEGER NOT NULL,
    envelope    TEXT,
    data        TEXT NOT NULL
);

CREATE TABLE snapshots (
    key      TEXT NOT NULL,
    position INTEGER NOT NULL,
    newest   INTEGER,
    revision INTEGER NOT NULL,
    saved_at INTEGER NOT NULL,
    data     TEXT NOT NULL,
    UNIQUE (key, position)
);
CREATE TABLE revisions (
    key      TEXT PRIMARY KEY,
    revision INTEGER NOT NULL
) WITHOUT ROWID;

-- For people with sqlite3: one row per event, in words.
CREATE VIEW log AS
SELECT e.position, s.name AS stream, e.version, t.name AS type, o.name AS source,
       strftime('%Y-%m-%dT%H:%M:%f', e.recorded_at / 1000000.0, 'unixepoch') || 'Z' AS recorded_at,
       strftime('%Y-%m-%dT%H:%M:%f', e.occurred_at / 1000000.0, 'unixepoch') || 'Z' AS occurred_at,
       lower(hex(e.id)) AS id,
       CASE typeof(e.correlation) WHEN 'blob' THEN lower(hex(e.correlation)) ELSE e.correlation END AS correlation,
       lower(hex(e.causation)) AS causation,
       e.envelope, e.data
FROM events e
JOIN streams s USING (sid)
JOIN types t USING (tid)
LEFT JOIN sources o USING (source_id);
