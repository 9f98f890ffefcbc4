package recovery

import (
	"context"
	"strings"
	"testing"
	"time"
)

const fiveLinks = `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, x int REFERENCES p ON DELETE SET NULL); INSERT INTO p SELECT generate_series(1, 9); INSERT INTO c SELECT i, i FROM generate_series(1, 9) i`

// A parent that another session removes between plan and writing is found to be gone by
// the next try, also where no trigger says so.
func TestRelink_ParentGoesMeanwhile(t *testing.T) {
	for _, who := range []string{"superuser", "ordinary role"} {
		l := newLab(t, fiveLinks).backup()
		id := l.incident("DELETE FROM p WHERE id <= 5")
		l.exec("INSERT INTO p VALUES (1)")
		o := l.options(id)
		if who != "superuser" {
			o.Production = l.asRole(l.production, l.role(allGrants...))
		}
		o.Config, o.LockTimeout = configured(t, `before: ["SELECT pg_advisory_lock(1)"]`), time.Minute
		conn := l.connect()
		must(t, conn, "SELECT pg_advisory_lock(1)")
		type result struct {
			report *Report
			err    error
		}
		done := make(chan result)
		go func() {
			report, err := Restore(context.Background(), o)
			done <- result{report, err}
		}()
		l.await("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'advisory' AND application_name = 'rowback restore' AND datname = current_database())")
		must(t, conn, "DELETE FROM p WHERE id = 1")
		must(t, conn, "SELECT pg_advisory_unlock(1)")
		if r := <-done; r.err != nil || l.count(r.report, "p").Restored != 5 || l.count(r.report, "c").Relinked != 5 {
			t.Errorf("%s: %v %+v", who, r.err, r.report)
		}
	}
}

// Triggers that fire when links are given back are in the plan, and in the report.
func TestRelink_ItsTriggersAreListed(t *testing.T) {
	l := newLab(t, fiveLinks, "CREATE FUNCTION mail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$").backup()
	id := l.incident("DELETE FROM p WHERE id <= 5")
	l.exec("CREATE TRIGGER tell AFTER UPDATE ON c FOR EACH ROW EXECUTE FUNCTION mail()")
	role := l.role(allGrants...)
	for _, dry := range []bool{true, false} {
		o := l.options(id)
		o.Production, o.DryRun = l.asRole(l.production, role), dry
		if r := l.restore(o); len(r.Triggers) != 1 || !strings.Contains(r.Triggers[0], "tell on public.c") {
			t.Errorf("dry %v: %q", dry, r.Triggers)
		}
	}
}
