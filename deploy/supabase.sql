-- Agents of a Supabase project on a log: they append and read, and can do nothing else.
--
-- Run it once as the owner, after `factlog migrate up`; again changes nothing. It expects the schema `factlog` without a
-- prefix. What it makes:
--
--   role factlog_agent     may read events and append, through the function that keeps their order
--   row-level security     on every table: nobody else sees anything, also if the schema is shown by the API one day
--   factlog.append(...)    the same append for supabase.rpc('append', {events: [...], expect: {...}})
--   realtime               a word that something came; read from your position then, for it may come late or never
--
-- A login for one agent:       CREATE ROLE reviewer LOGIN PASSWORD '...' IN ROLE factlog_agent;
-- For tokens of the project:   GRANT factlog_agent TO authenticator;   and "role": "factlog_agent" in the token; show the
--                              schema factlog to the API in the project's settings.

BEGIN;

DO $$
BEGIN
    CREATE ROLE factlog_agent NOLOGIN;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

REVOKE ALL ON SCHEMA factlog FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA factlog FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA factlog FROM PUBLIC;
GRANT USAGE ON SCHEMA factlog TO factlog_agent;
GRANT SELECT ON factlog.events, factlog.removed_streams, factlog.migrations, factlog.snapshots TO factlog_agent;
GRANT EXECUTE ON FUNCTION factlog.append_events, factlog.recorded_before TO factlog_agent;

-- Without a policy a table is empty for everybody but its owner.
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'factlog' LOOP
        EXECUTE format('ALTER TABLE factlog.%I ENABLE ROW LEVEL SECURITY', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['events', 'removed_streams', 'migrations', 'snapshots'] LOOP
        EXECUTE format('DROP POLICY IF EXISTS agents_read ON factlog.%I', name);
        EXECUTE format('CREATE POLICY agents_read ON factlog.%I FOR SELECT TO factlog_agent USING (true)', name);
    END LOOP;
    -- Supabase's own roles have rights on new tables of some schemas by default.
    FOR name IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
        EXECUTE format('REVOKE ALL ON SCHEMA factlog FROM %I', name);
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA factlog FROM %I', name);
        EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA factlog FROM %I', name);
    END LOOP;
    IF EXISTS (SELECT FROM pg_publication WHERE pubname = 'supabase_realtime') AND NOT EXISTS (
        SELECT FROM pg_publication_tables
        WHERE pubname = 'supabase_realtime' AND schemaname = 'factlog' AND tablename = 'events'
    ) THEN
        ALTER PUBLICATION supabase_realtime ADD TABLE factlog.events;
    END IF;
END $$;

-- A text of 1 to so many bytes without control characters or spaces at its ends; null stays null.
CREATE OR REPLACE FUNCTION factlog.checked_text(what text, value text, bytes_max integer) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF value IS NULL OR (
        octet_length(value) BETWEEN 1 AND bytes_max AND value !~ '[\u0001-\u001f\u007f-\u009f]' AND value !~ '^\s|\s$'
    ) THEN
        RETURN value;
    END IF;
    RAISE EXCEPTION '% has 1 to % bytes, no control characters, and no space at its ends', what, bytes_max
        USING ERRCODE = 'PT400';
END $$;

-- A time as RFC 3339 writes it, and no other word that the server takes for one.
CREATE OR REPLACE FUNCTION factlog.checked_time(value text) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF value !~ '^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$' THEN
        RAISE EXCEPTION 'a time is written as 2026-11-20T23:44:30Z' USING ERRCODE = 'PT400';
    END IF;
    RETURN value::timestamptz;
END $$;

-- JSON in the form in which a log keeps it: without white space between its parts.
CREATE OR REPLACE FUNCTION factlog.minified(value json) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    -- The cast refuses what no reader could read.
    PERFORM value::jsonb;
    RETURN regexp_replace(value::text, '("(?:[^"\\]|\\.)*")|\s+', '\1', 'g');
END $$;

-- Appends events as factlog's wire form writes them, all or none:
--   events   [{"stream","type","data", and if wanted "id","source","targets","occurredAt","correlationId","causationId","sessionId",
--              "userId","priority","expiresAt","traceparent","tags","metadata"}]
--   expect   {"task-1":3, "task-2":"none", "task-3":"exists"}
-- Answers {"events":[{"position","stream","version"}],"recordedAt","repeated"}. A conflict is HTTP 409, bad input 400.
CREATE OR REPLACE FUNCTION factlog.append(events json, expect json DEFAULT '{}') RETURNS json
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    count  integer := json_array_length(events);
    said   record;
    done   record;
    known  record;
BEGIN
    IF count NOT BETWEEN 1 AND 1000 OR octet_length(events::text) > 32 * 1024 * 1024 THEN
        RAISE EXCEPTION 'a batch has 1 to 1000 events, and 32 MiB at the most' USING ERRCODE = 'PT400';
    END IF;
    SELECT array_agg(1 ORDER BY n) AS batches,
        array_agg(coalesce((e ->> 'id')::uuid, gen_random_uuid()) ORDER BY n) AS ids,
        array_agg(n::integer ORDER BY n) AS places,
        array_agg(factlog.checked_text('a stream', coalesce(e ->> 'stream', ''), 200) ORDER BY n) AS streams,
        array_agg(factlog.checked_text('a type', coalesce(e ->> 'type', ''), 100) ORDER BY n) AS types,
        array_agg(factlog.checked_text('a source', e ->> 'source', 200) ORDER BY n) AS sources,
        array_agg((SELECT string_agg(factlog.checked_text('a target', t, 200), E'\n')
                   FROM json_array_elements_text(e -> 'targets') t) ORDER BY n) AS targets,
        array_agg(factlog.checked_time(e ->> 'occurredAt') ORDER BY n) AS occurred,
        array_agg(factlog.checked_text('a correlation', e ->> 'correlationId', 200) ORDER BY n) AS correlations,
        array_agg((e ->> 'causationId')::uuid ORDER BY n) AS causations,
        array_agg(factlog.checked_text('a session', e ->> 'sessionId', 200) ORDER BY n) AS sessions,
        array_agg(factlog.checked_text('a user', e ->> 'userId', 200) ORDER BY n) AS users,
        array_agg(e ->> 'priority' ORDER BY n) AS priorities,
        array_agg(factlog.checked_time(e ->> 'expiresAt') ORDER BY n) AS expires,
        array_agg(factlog.checked_text('a traceparent', e ->> 'traceparent', 200) ORDER BY n) AS traceparents,
        array_agg((SELECT string_agg(factlog.checked_text('a tag', t, 1000), E'\n')
                   FROM json_array_elements_text(e -> 'tags') t) ORDER BY n) AS tags,
        array_agg(factlog.minified(e -> 'metadata') ORDER BY n) AS metadata,
        array_agg(factlog.minified(coalesce(e -> 'data', '{}')) ORDER BY n) AS data,
        bool_and(coalesce(e ->> 'priority', 'low') IN ('low', 'normal', 'high', 'critical')) AS has_priorities,
        bool_and(octet_length((e -> 'data')::text) <= 16 * 1024 * 1024) IS NOT FALSE
            AND bool_and(octet_length((e -> 'metadata')::text) <= 64 * 1024) IS NOT FALSE AS has_sizes,
        coalesce(bool_and(coalesce(json_array_length(e -> 'tags'), 0) <= 100
            AND coalesce(json_array_length(e -> 'targets'), 0) <= 100), true) AS has_lists,
        count(DISTINCT e ->> 'id') = count(e ->> 'id') AS has_ids
    INTO said
    FROM json_array_elements(events) WITH ORDINALITY x(e, n);
    IF NOT (said.has_priorities AND said.has_sizes AND said.has_lists AND said.has_ids) THEN
        RAISE EXCEPTION 'priorities are low, normal, high or critical; data has 16 MiB, metadata 64 KiB, an event 100 tags and 100 targets at the most; an id stands once'
            USING ERRCODE = 'PT400';
    END IF;
    SELECT out.* INTO done
    FROM (SELECT array_agg(DISTINCT name) AS names FROM (
        SELECT unnest(said.streams) AS name UNION SELECT key FROM json_each_text(expect)
    ) named) s,
    LATERAL (
        SELECT array_agg(1) AS batches, array_agg(array_position(s.names, key) ORDER BY key) AS places,
            array_agg(CASE value WHEN 'none' THEN 0 WHEN 'exists' THEN -1 ELSE value::bigint END ORDER BY key) AS versions
        FROM json_each_text(expect) WHERE value <> 'any'
    ) x,
    LATERAL factlog.append_events(
        10000, said.batches, said.ids, s.names, NULL,
        (SELECT array_agg(array_position(s.names, name) ORDER BY n) FROM unnest(said.streams) WITH ORDINALITY u(name, n)),
        said.types, said.sources, said.targets, said.occurred, said.correlations, said.causations, said.sessions,
        said.users, said.priorities, said.expires, said.traceparents, said.tags, said.metadata, said.data,
        x.batches, x.places, x.versions, NULL, NULL, NULL
    ) out;
    IF done.out_refused IS NULL THEN
        RETURN json_build_object('events', (
            SELECT json_agg(json_build_object('position', p, 'stream', s, 'version', v) ORDER BY n)
            FROM unnest(done.out_positions, said.streams, done.out_versions) WITH ORDINALITY x(p, s, v, n)
        ), 'recordedAt', to_char(done.out_recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'repeated', false);
    END IF;
    IF done.out_refused_expect[1] <> 0 THEN
        RAISE EXCEPTION 'a stream is at version %, and was expected elsewhere', done.out_refused_version[1]
            USING ERRCODE = 'PT409', HINT = 'read the stream again and decide on what is there now';
    END IF;
    SELECT count(*) AS events, min(e.recorded_at) AS recorded_at,
        json_agg(json_build_object('position', e.position, 'stream', e.stream, 'version', e.version) ORDER BY n) AS places
    INTO known
    FROM unnest(said.ids, said.streams, said.types, said.data) WITH ORDINALITY x(id, stream, type, data, n)
    JOIN factlog.events e ON e.id = x.id AND e.stream = x.stream AND e.type = x.type AND e.data::text = x.data;
    IF known.events = count THEN
        RETURN json_build_object('events', known.places,
            'recordedAt', to_char(known.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'repeated', true);
    END IF;
    RAISE EXCEPTION 'some ids of the batch are recorded with other content, or only some of them are recorded'
        USING ERRCODE = 'PT409', HINT = 'send the same batch as the first time, or new ids';
END $$;

REVOKE ALL ON FUNCTION factlog.append(json, json), factlog.minified(json), factlog.checked_text(text, text, integer), factlog.checked_time(text)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION factlog.append(json, json), factlog.minified(json), factlog.checked_text(text, text, integer), factlog.checked_time(text)
    TO factlog_agent;

COMMIT;
