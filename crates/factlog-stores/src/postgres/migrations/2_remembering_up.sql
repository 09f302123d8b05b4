-- Values remembered at positions: states of projections, places of followers, marks of importers.
CREATE TABLE {snapshots} (
    key      text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    newest   timestamptz,
    revision bigint NOT NULL,
    saved_at timestamptz NOT NULL,
    data     text NOT NULL,
    PRIMARY KEY (key, position)
);
-- How often each key was saved.
CREATE TABLE {revisions} (
    key      text COLLATE "C" PRIMARY KEY,
    revision bigint NOT NULL
);

-- Saves a value where its key was last saved as expected. Answers with the new revision; or none, with the last one, and with the newer
-- position that is in the way.
CREATE FUNCTION {save_snapshot}(
    in_key text, in_position bigint, in_newest timestamptz, in_saved_at timestamptz, in_data text,
    in_expect bigint, in_is_history boolean,
    OUT out_revision bigint, OUT out_last bigint, OUT out_newer bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO {revisions} VALUES (in_key, 0) ON CONFLICT DO NOTHING;
    SELECT r.revision INTO out_last FROM {revisions} r WHERE r.key = in_key FOR UPDATE;
    IF in_expect <> out_last THEN
        -- A save whose answer was lost on its way is known by its time.
        SELECT s.revision INTO out_revision FROM {snapshots} s
        WHERE s.key = in_key AND s.position = in_position AND s.revision = out_last AND s.saved_at = in_saved_at
            AND out_last = in_expect + 1;
        RETURN;
    END IF;
    IF NOT in_is_history THEN
        SELECT max(s.position) INTO out_newer FROM {snapshots} s WHERE s.key = in_key;
        IF out_newer > in_position THEN
            RETURN;
        END IF;
        DELETE FROM {snapshots} s WHERE s.key = in_key;
    END IF;
    out_revision := out_last + 1;
    INSERT INTO {snapshots} VALUES (in_key, in_position, in_newest, out_revision, in_saved_at, in_data)
    ON CONFLICT (key, position) DO UPDATE SET
        newest = excluded.newest, revision = excluded.revision, saved_at = excluded.saved_at, data = excluded.data;
    UPDATE {revisions} r SET revision = out_revision WHERE r.key = in_key;
END $$;
