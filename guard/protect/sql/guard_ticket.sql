CREATE OR REPLACE FUNCTION rowback.guard_ticket() RETURNS boolean
LANGUAGE plpgsql AS $rowback$
-- Whether the proxy answers for this statement; see Ticket in ticket.go.
BEGIN
	IF COALESCE(current_setting('rowback.ticket', true), '') = '' THEN
		RETURN false;
	END IF;
	RETURN COALESCE((
		SELECT current_setting('rowback.ticket', true) = encode(sha256(convert_to(concat(s.secret, ' ', b.pid, ' ', b.start), 'UTF8')), 'hex')
		FROM rowback.secret s, (
			SELECT pg_backend_pid() AS pid, round(date_part('epoch', a.backend_start) * 1000000)::int8 AS start
			FROM pg_stat_get_activity(pg_backend_pid()) a) b
		WHERE b.start IS NOT NULL), false);
END
$rowback$
