package catalog

import (
	"strconv"
	"strings"
	"time"
)

// RunSQL is an expression for the start of the server's run that its
// transaction ids belong to, as text for RunStart. After a crash ids that were
// not yet in flushed WAL are issued again, also when the postmaster survives;
// statistics are reset then. Before PostgreSQL 15 these are costly to ask for: there it
// is the postmaster's start, behind a mark.
var RunSQL = operators.Replace("CASE WHEN pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 150000" +
	" THEN pg_catalog.date_part('epoch', GREATEST(pg_catalog.pg_postmaster_start_time(), pg_catalog.pg_stat_get_bgwriter_stat_reset_time()))::pg_catalog.text" +
	" ELSE pg_catalog.concat('~', pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time())) END")

// RunStart reads RunSQL's answer; zero if the run is not known. It is in whole
// microseconds, and one nanosecond more behind the mark.
func RunStart(epoch string) time.Time {
	number, marked := strings.CutPrefix(epoch, "~")
	sec, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return time.Time{}
	}
	t := time.UnixMicro(int64(sec * 1e6)).UTC()
	if marked {
		t = t.Add(time.Nanosecond)
	}
	return t
}

// SameRun reports whether two starts are surely of one run. Two that are not may be all the
// same, unless neither is marked: a marked one does not tell of crashes that the postmaster survived.
func SameRun(a, b time.Time) bool {
	return !a.IsZero() && a.Equal(b) && a.Nanosecond()%1000 == 0
}
