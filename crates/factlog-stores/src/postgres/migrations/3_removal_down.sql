DROP FUNCTION {take_out}(bigint[]);
