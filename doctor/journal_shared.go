package doctor

import (
	"context"
	"fmt"

	"github.com/rowback/rowback/journal/pgjournal"
)

// sharedJournal: the server keeps what it confirms. It reports whether there is
// anything to look at further.
func (e *examination) sharedJournal(ctx context.Context) bool {
	x, err := pgjournal.Examine(ctx, e.o.Journal)
	if err != nil {
		e.fail("journal", "", "%v", err) // its errors name the mend
		return false
	}
	e.journalServer = x
	const name = "journal server"
	sound := true
	bad := func(mend, format string, args ...any) {
		sound = false
		e.fail(name, mend, format, args...)
	}
	if !x.Fsync {
		bad("set fsync to on: until then proxies refuse this journal", "fsync is off: what the server confirms is lost with its power")
	}
	if x.CommitOff != "" {
		bad("let this role set synchronous_commit, or set it to on", "synchronous_commit is %s: what the server confirms may be lost", x.CommitOff)
	}
	if x.StandbysAway {
		e.fail(name, "start such a standby, or name another (by itself the server waits, however long it takes)",
			"it waits for a synchronous standby (%s), and none is connected: nothing can be written, every DELETE gets RB002", x.SynchronousNames)
		return sound
	}
	switch {
	case !sound:
	case !x.FullPageWrites:
		e.warn(name, "set full_page_writes to on", "full_page_writes is off: a page half written when the power fails is damage")
	case x.Standbys > 0 && x.SynchronousNames == "":
		e.warn(name, "set synchronous_standby_names, so that a standby has what was confirmed",
			"its standbys (%d) are asynchronous: a failover loses the last entries, and with them the evidence of deletions that stay committed", x.Standbys)
	case x.SynchronousNames == "":
		e.ok(name, "PostgreSQL %s, durable, without a standby; %s", x.Version, fleet(x))
	default:
		e.ok(name, "PostgreSQL %s, durable on its standbys (%s); %s", x.Version, x.SynchronousNames, fleet(x))
	}
	return sound
}

func fleet(x *pgjournal.Examination) string {
	proxies := fmt.Sprintf("%d proxies have it open", x.Proxies)
	if x.Proxies == 1 {
		proxies = "1 proxy has it open"
	}
	return fmt.Sprintf("its tables take %s, %s", bytesOf(uint64(x.Bytes)), proxies)
}

// journalApart: the journal is not lost with what it is to restore.
func (e *examination) journalApart(ctx context.Context) {
	if e.journalServer == nil || e.production == nil {
		return
	}
	rows, err := e.production.Rows(ctx, "SELECT system_identifier::text FROM pg_catalog.pg_control_system()")
	if err == nil && len(rows) == 1 && e.journalServer.SystemID == *rows[0][0] {
		e.warn("journal server", "keep the journal on another server", "it is production's own, or a copy of it: lost together, and an outage of one is one of the other")
	}
}
