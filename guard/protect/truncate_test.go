package protect_test

import (
	"testing"
	"time"

	"github.com/rowback/rowback/guard/protect"
)

func TestTruncate_CascadeCountsEveryTable(t *testing.T) {
	l := newLab(t, shop)
	l.install(protect.InstallOptions{Tables: []string{"orders"}, Threshold: 500})
	c := l.connect("postgres")
	refused(t, try(c, "TRUNCATE orders CASCADE"), "TRUNCATE would remove 1000 rows (orders 100, payments 200, audit_logs 500, refunds 200), limit 500")
	if err := try(c, "TRUNCATE payments CASCADE"); err != nil {
		t.Fatal(err)
	}
	equal(t, "evidence", l.evidence(), []string{"public.payments truncate 200 200", "public.refunds truncate 200 200"})
}

func TestTruncate_OverTheLimitInAlertModeKeepsNoKeys(t *testing.T) {
	l := newLab(t, shop)
	l.install(protect.InstallOptions{Tables: []string{"orders"}, Threshold: 300, Mode: protect.Alert})
	l.exec("BEGIN; TRUNCATE refunds; TRUNCATE audit_logs; COMMIT")
	equal(t, "evidence", l.evidence(), []string{"public.refunds truncate 200 200", "public.audit_logs truncate 500"})
}

// The trigger function knows the table by name.
func TestTruncate_OfARenamedTableIsRefused(t *testing.T) {
	l := newLab(t, shop)
	l.install(protect.InstallOptions{Tables: []string{"refunds"}})
	l.exec("ALTER TABLE refunds RENAME TO repayments", "CREATE TABLE refunds (id int)")
	refused(t, try(l.connect("postgres"), "TRUNCATE repayments"), "repayments")
	if s := l.status(); s.OK() {
		t.Errorf("%+v", s)
	}
	l.exec("DELETE FROM repayments WHERE id = 1")
	l.install(protect.InstallOptions{})
	l.covered()
	l.exec("TRUNCATE repayments")
	equal(t, "evidence", l.evidence(), []string{"public.repayments direct 1 1", "public.repayments truncate 199 199"})
}

func TestDrop_IsRefusedUnlessTheSessionSaysSo(t *testing.T) {
	l := newLab(t, "CREATE SCHEMA s", shop, "CREATE TABLE s.kept (id int PRIMARY KEY); INSERT INTO s.kept SELECT generate_series(1, 30); CREATE TABLE free (id int)")
	l.install(protect.InstallOptions{Tables: []string{"orders", "s.kept"}})
	app := l.connect(l.role("SUPERUSER"))
	for sql, message := range map[string]string{
		"DROP TABLE refunds": "DROP TABLE would remove table public.refunds", "DROP SCHEMA s CASCADE": "DROP SCHEMA would remove table s.kept",
		"BEGIN; DROP TABLE refunds, free": "public.refunds",
	} {
		refused(t, try(app, sql), message)
		_ = try(app, "ROLLBACK")
	}
	l.exec("DROP TABLE free; CREATE TABLE free (id int); ALTER TABLE orders DROP COLUMN customer; CREATE INDEX i ON orders (id); DROP INDEX i; DROP TABLE free")
	if err := try(app, "BEGIN; SET LOCAL rowback.allow_drop = on; DROP TABLE refunds; COMMIT"); err != nil {
		t.Fatal(err)
	}
	refused(t, try(app, "DROP TABLE audit_logs"), "public.audit_logs")
	if got := l.query("SELECT table_name, op, via, why, query ~ 'allow_drop' FROM rowback.evidence"); len(got) != 1 || got[0] != "refunds|DROP TABLE|drop|the table was dropped; the number is an estimate|t" {
		t.Errorf("%q", got)
	}
}

func TestDrop_InAlertModeIsRecorded(t *testing.T) {
	l := newLab(t, partitioned)
	l.install(protect.InstallOptions{Tables: []string{"events"}, Mode: protect.Alert})
	l.exec("ANALYZE events")
	for deadline := time.Now().Add(time.Minute); l.query("SELECT pg_stat_get_live_tuples('events_1'::regclass) > 0")[0] != "t"; { // before PostgreSQL 15 that comes later
		if time.Now().After(deadline) {
			t.Fatal("the server has no statistics of events_1")
		}
	}
	l.exec("DROP TABLE events_1; DROP TABLE events")
	if got := l.query("SELECT count(*), sum(removed) > 0 FROM rowback.evidence WHERE via = 'drop'"); got[0] != "5|t" {
		t.Errorf("%q", got)
	}
}
