DROP FUNCTION {recorded_before}(timestamptz);
DROP FUNCTION {append_events};
DROP TABLE {events};
DROP FUNCTION {keep_events}();
DROP TABLE {removed_streams};
DROP TABLE {meta};
