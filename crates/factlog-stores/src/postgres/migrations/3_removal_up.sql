-- Takes events out; the caller holds the log's lock, and has said so in the log. Answers with how many.
CREATE FUNCTION {take_out}(in_positions bigint[]) RETURNS bigint LANGUAGE plpgsql
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    taken bigint;
BEGIN
    INSERT INTO {removed_streams} AS r
    SELECT e.stream, max(e.version)
    FROM unnest(in_positions) p(position)
    CROSS JOIN LATERAL (SELECT e.stream, e.version FROM {events} e WHERE e.position = p.position) e
    GROUP BY e.stream
    ON CONFLICT (stream) DO UPDATE SET version = greatest(r.version, excluded.version);
    PERFORM set_config('factlog.removing', '{schema_text}.{prefix_text}', true);
    DELETE FROM {events} e USING unnest(in_positions) p(position) WHERE e.position = p.position;
    GET DIAGNOSTICS taken = ROW_COUNT;
    PERFORM set_config('factlog.removing', '', true);
    UPDATE {meta} SET value = (value::bigint + taken)::text WHERE key = 'removed_events';
    RETURN taken;
END $$;
