-- Format 2: lists that lag behind, written in runs.
CREATE TABLE streams (
    sid             INTEGER PRIMARY KEY,
    name            TEXT NOT NULL,
    category        TEXT NOT NULL,
    removed_version INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE index_ids (
    id       BLOB PRIMARY KEY,
    position INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE index_names (
    name TEXT PRIMARY KEY,
    sid  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE index_categories (
    category TEXT NOT NULL,
    sid      INTEGER NOT NULL,
    PRIMARY KEY (category, sid)
) WITHOUT ROWID;

CREATE TABLE index_streams (
    sid     INTEGER NOT NULL,
    first   INTEGER NOT NULL,
    offsets TEXT NOT NULL,
    PRIMARY KEY (sid, first)
) WITHOUT ROWID;

CREATE TABLE index_types (
    tid     INTEGER NOT NULL,
    first   INTEGER NOT NULL,
    offsets TEXT NOT NULL,
    PRIMARY KEY (tid, first)
) WITHOUT ROWID;

CREATE TABLE index_correlations (
    correlation NOT NULL,
    first       INTEGER NOT NULL,
    offsets     TEXT NOT NULL,
    PRIMARY KEY (correlation, first)
) WITHOUT ROWID;

CREATE TABLE index_state (
    indexed_upto   INTEGER NOT NULL,
    named_upto     INTEGER NOT NULL,
    newest_v7      BLOB NOT NULL,
    run_upto       INTEGER NOT NULL,
    run_named_upto INTEGER NOT NULL,
    run_rows       INTEGER NOT NULL
);
INSERT INTO index_state VALUES (0, 0, zeroblob(16), 0, 0, 0);

-- For people with sqlite3: where the events of a stream, a type or a correlation stand, lists and tail together.
CREATE VIEW stream_positions AS
SELECT i.sid, i.first + j.value AS position FROM index_streams i, json_each(i.offsets) j
WHERE i.first + j.value <= (SELECT indexed_upto FROM index_state)
UNION ALL
SELECT sid, position FROM events WHERE position > (SELECT indexed_upto FROM index_state);

CREATE VIEW type_positions AS
SELECT i.tid, i.first + j.value AS position FROM index_types i, json_each(i.offsets) j
WHERE i.first + j.value <= (SELECT indexed_upto FROM index_state)
UNION ALL
SELECT tid, position FROM events WHERE position > (SELECT indexed_upto FROM index_state);

CREATE VIEW correlation_positions AS
SELECT i.correlation, i.first + j.value AS position FROM index_correlations i, json_each(i.offsets) j
WHERE i.first + j.value <= (SELECT indexed_upto FROM index_state)
UNION ALL
SELECT correlation, position FROM events
WHERE position > (SELECT indexed_upto FROM index_state) AND correlation IS NOT NULL;
