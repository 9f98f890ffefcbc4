package catalog

import (
	"strconv"
	"time"
)

// RunSQL is an expression for the start of the server's run that its
// transaction ids belong to, as text for RunStart. After a crash ids that were
// not yet in flushed WAL are issued again, also when the postmaster survives;
// statistics are reset then. NULL before PostgreSQL 15, where they are costly
// to ask for.
const RunSQL = "CASE WHEN pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 150000 THEN" +
	" pg_catalog.date_part('epoch', GREATEST(pg_catalog.pg_postmaster_start_time(), pg_catalog.pg_stat_get_bgwriter_stat_reset_time())) END::pg_catalog.text"

// RunStart reads RunSQL's answer; zero if the run is not known.
func RunStart(epoch string) time.Time {
	sec, err := strconv.ParseFloat(epoch, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMicro(int64(sec * 1e6)).UTC()
}
