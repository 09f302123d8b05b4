DROP FUNCTION {save_snapshot};
DROP TABLE {revisions};
DROP TABLE {snapshots};
