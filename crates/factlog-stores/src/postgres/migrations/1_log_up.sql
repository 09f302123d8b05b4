-- The log: its events, and the one function that appends. docs/postgres.md explains them.
CREATE TABLE {events} (
    position       bigint PRIMARY KEY,
    version        bigint NOT NULL,
    recorded_at    timestamptz NOT NULL,
    occurred_at    timestamptz,
    expires_at     timestamptz,
    id             uuid NOT NULL,
    causation_id   uuid,
    bytes          integer NOT NULL,
    stream         text COLLATE "C" NOT NULL,
    type           text COLLATE "C" NOT NULL,
    source         text COLLATE "C",
    correlation_id text COLLATE "C",
    session_id     text COLLATE "C",
    user_id        text COLLATE "C",
    priority       text COLLATE "C",
    traceparent    text COLLATE "C",
    targets        text[] COLLATE "C",
    tags           text[] COLLATE "C",
    metadata       json,
    data           json NOT NULL,
    -- Nobody can write what no reader can read.
    CHECK (octet_length(stream) BETWEEN 1 AND 200 AND octet_length(type) BETWEEN 1 AND 100),
    CHECK (priority IN ('low', 'normal', 'high', 'critical')),
    CHECK (occurred_at BETWEEN '0001-01-01 00:00:00+00 BC' AND '9999-12-30 22:00:00+00'),
    CHECK (expires_at BETWEEN '0001-01-01 00:00:00+00 BC' AND '9999-12-30 22:00:00+00')
);
CREATE UNIQUE INDEX {name:events_by_id} ON {events} (id);
CREATE INDEX {name:events_by_stream} ON {events} (stream, position);
CREATE INDEX {name:events_by_category} ON {events} (split_part(stream, '-', 1), position);
CREATE INDEX {name:events_by_type} ON {events} (type, position);
CREATE INDEX {name:events_by_correlation} ON {events} (correlation_id, position) WHERE correlation_id IS NOT NULL;

-- Streams of which events were removed, and the last version of those.
CREATE TABLE {removed_streams} (
    stream  text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL
);

CREATE TABLE {meta} (
    key   text PRIMARY KEY,
    value text NOT NULL
);
INSERT INTO {meta} VALUES
    ('log_id', gen_random_uuid()::text),
    ('created_at', clock_timestamp()::text),
    ('removed_events', '0');

-- Nothing that was recorded is changed; only a removal, which says so in the log, takes events out.
CREATE FUNCTION {keep_events}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('factlog.removing', true) = '{schema_text}.{prefix_text}' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the log is append-only: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'take events out with `factlog retention apply`, which says so in the log';
END $$;
CREATE TRIGGER {name:keep_each_event} BEFORE UPDATE OR DELETE ON {events} FOR EACH ROW EXECUTE FUNCTION {keep_events}();
CREATE TRIGGER {name:keep_all_events} BEFORE TRUNCATE ON {events} FOR EACH STATEMENT EXECUTE FUNCTION {keep_events}();

-- Appends batches of events in their order, each whole or not at all, with one writer at a time in all of the database.
--
-- Arrays have one element per event, those of `expect` one per expectation, in the order of the batches. An array of nulls may be
-- null as a whole. A stream is named by its place in in_streams; a hint is a position at or before its newest event, or 0. An expectation is a version, or -1: that the stream exists.
-- Texts in in_targets and in_tags are parted by line feeds. in_kept_... keep what another log has said; the batch is alone then.
--
-- A refused batch is told by its number; why, by the place of the expectation that failed and the version that was found, or 0:
-- some of its ids are recorded, or what it wants to keep cannot be kept.
CREATE FUNCTION {append_events}(
    in_lock_wait_ms integer,
    in_batches integer[], in_ids uuid[], in_streams text[], in_hints bigint[], in_places integer[], in_types text[], in_sources text[],
    in_targets text[], in_occurred timestamptz[], in_correlations text[], in_causations uuid[], in_sessions text[],
    in_users text[], in_priorities text[], in_expires timestamptz[], in_traceparents text[], in_tags text[],
    in_metadata text[], in_data text[],
    in_expect_batches integer[], in_expect_places integer[], in_expect_versions bigint[],
    in_kept_positions bigint[], in_kept_versions bigint[], in_kept_times timestamptz[],
    OUT out_recorded_at timestamptz, OUT out_positions bigint[], OUT out_versions bigint[],
    OUT out_refused integer[], OUT out_refused_expect integer[], OUT out_refused_version bigint[]
) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    -- Positions and versions stay below 2^53.
    most     CONSTANT bigint := 9007199254740991;
    events   CONSTANT integer := cardinality(in_ids);
    expects  CONSTANT integer := coalesce(cardinality(in_expect_places), 0);
    heads    bigint[];
    known    integer[];
    head     bigint;
    last     timestamptz;
    found    bigint;
    gap      bigint := 0;
    batch    integer;
    place    integer;
    event    integer := 1;
    expect   integer := 1;
    is_refused boolean;
BEGIN
    IF (in_kept_positions IS NOT NULL OR 'log-retention' = ANY (in_streams)) AND NOT EXISTS (
        SELECT FROM pg_class c WHERE c.oid = '{events}'::regclass AND pg_has_role(session_user, c.relowner, 'MEMBER')
    ) THEN
        RAISE EXCEPTION 'only the log''s owner may keep positions or say what was removed' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'the transaction is %; a log needs read committed', current_setting('transaction_isolation')
            USING ERRCODE = 'invalid_transaction_state', HINT = 'it would judge by an old state of the log';
    END IF;
    IF cardinality(in_streams) > (SELECT count(DISTINCT s.name) FROM unnest(in_streams) s(name)) THEN
        RAISE EXCEPTION 'a stream stands twice in the list of streams' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    PERFORM set_config('lock_timeout', in_lock_wait_ms::text, true);
    PERFORM pg_advisory_xact_lock({lock});

    SELECT e.position, e.recorded_at INTO head, last FROM {events} e ORDER BY e.position DESC LIMIT 1;
    head := coalesce(head, 0);
    out_recorded_at := greatest(clock_timestamp(), last);
    SELECT array_agg(n.batch) INTO known
    FROM unnest(in_batches, in_ids) n(batch, id)
    CROSS JOIN LATERAL (SELECT FROM {events} e WHERE e.id = n.id LIMIT 1) e;
    -- A hint spares the index the entries before it.
    SELECT array_agg(greatest(
        coalesce(
            (SELECT e.version FROM {events} e WHERE e.stream = s.name AND e.position >= s.hint ORDER BY e.position DESC LIMIT 1),
            (SELECT e.version FROM {events} e WHERE e.stream = s.name ORDER BY e.position DESC LIMIT 1)
        ),
        (SELECT r.version FROM {removed_streams} r WHERE r.stream = s.name), 0
    ) ORDER BY s.place) INTO heads
    FROM unnest(in_streams, in_hints) WITH ORDINALITY s(name, hint, place);

    out_positions := '{}';
    out_versions := '{}';
    WHILE event <= events LOOP
        batch := in_batches[event];
        is_refused := known IS NOT NULL AND batch = ANY (known);
        IF is_refused THEN
            out_refused := out_refused || batch;
            out_refused_expect := out_refused_expect || 0;
            out_refused_version := out_refused_version || 0::bigint;
        END IF;
        WHILE expect <= expects AND in_expect_batches[expect] <= batch LOOP
            IF in_expect_batches[expect] = batch AND NOT is_refused THEN
                found := heads[in_expect_places[expect]];
                IF found <> in_expect_versions[expect] AND (in_expect_versions[expect] >= 0 OR found = 0) THEN
                    is_refused := true;
                    out_refused := out_refused || batch;
                    out_refused_expect := out_refused_expect || expect;
                    out_refused_version := out_refused_version || found;
                END IF;
            END IF;
            expect := expect + 1;
        END LOOP;
        WHILE event <= events AND in_batches[event] = batch LOOP
            IF is_refused THEN
                out_positions[event] := NULL;
                out_versions[event] := NULL;
            ELSE
                place := in_places[event];
                IF in_kept_positions IS NULL THEN
                    head := head + 1;
                    found := heads[place] + 1;
                ELSE
                    IF in_kept_positions[event] <= head OR in_kept_versions[event] <= heads[place]
                        OR in_kept_times[event] < last THEN
                        RAISE EXCEPTION 'what is to be kept cannot be kept' USING ERRCODE = 'integrity_constraint_violation';
                    END IF;
                    gap := gap + in_kept_positions[event] - head - 1;
                    head := in_kept_positions[event];
                    found := in_kept_versions[event];
                    last := in_kept_times[event];
                END IF;
                IF head > most OR found > most THEN
                    RAISE EXCEPTION 'the log or the stream is full' USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                heads[place] := found;
                out_positions[event] := head;
                out_versions[event] := found;
            END IF;
            event := event + 1;
        END LOOP;
    END LOOP;

    INSERT INTO {events} (
        position, version, recorded_at, occurred_at, expires_at, id, causation_id, bytes, stream, type, source,
        correlation_id, session_id, user_id, priority, traceparent, targets, tags, metadata, data
    )
    SELECT n.position, n.version, coalesce(n.kept, out_recorded_at), n.occurred, n.expires, n.id, n.causation,
        octet_length(n.data) + coalesce(octet_length(n.metadata), 0), in_streams[n.place], n.type, n.source,
        n.correlation, n.session, n.of_user, n.priority, n.traceparent, string_to_array(n.targets, E'\n'),
        string_to_array(n.tags, E'\n'), n.metadata::json, n.data::json
    FROM unnest(
        out_positions, out_versions, in_kept_times, in_occurred, in_expires, in_ids, in_causations, in_places, in_types,
        in_sources, in_correlations, in_sessions, in_users, in_priorities, in_traceparents, in_targets, in_tags,
        in_metadata, in_data
    ) n(
        position, version, kept, occurred, expires, id, causation, place, type, source, correlation, session, of_user,
        priority, traceparent, targets, tags, metadata, data
    )
    WHERE n.position IS NOT NULL;
    IF gap > 0 THEN
        UPDATE {meta} SET value = (value::bigint + gap)::text WHERE key = 'removed_events';
    END IF;
END $$;
REVOKE ALL ON FUNCTION {append_events} FROM PUBLIC;

-- The last position of all that was recorded before a moment: times follow positions, so it is looked for by halves.
CREATE FUNCTION {recorded_before}(moment timestamptz) RETURNS bigint LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    low    bigint := 0;
    high   bigint := 1 + coalesce((SELECT max(e.position) FROM {events} e), 0);
    middle bigint;
    found  record;
BEGIN
    WHILE low + 1 < high LOOP
        middle := low + (high - low) / 2;
        SELECT e.position, e.recorded_at INTO found FROM {events} e WHERE e.position >= middle ORDER BY e.position LIMIT 1;
        IF found.position < high AND found.recorded_at < moment THEN
            low := found.position;
        ELSE
            high := middle;
        END IF;
    END LOOP;
    RETURN low;
END $$;
