package protect_test

import (
	"testing"

	"github.com/rowback/rowback/guard/protect"
)

const partitioned = `
CREATE TABLE events (filler text, day int, id bigint, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10);
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (10) TO (20) PARTITION BY LIST (day);
CREATE TABLE events_2a PARTITION OF events_2 DEFAULT;
CREATE TABLE events_3 (id bigint NOT NULL, gone int, day int NOT NULL, filler text); ALTER TABLE events_3 DROP COLUMN gone;
ALTER TABLE events ATTACH PARTITION events_3 FOR VALUES FROM (20) TO (30);
INSERT INTO events SELECT 'x', i % 30, i FROM generate_series(0, 299) i;`

func TestPartitions_ThroughRootAndLeafAreCountedOnce(t *testing.T) {
	l := newLab(t, partitioned)
	l.install(protect.InstallOptions{Tables: []string{"events"}, Threshold: 100})
	l.covered()
	for sql, message := range map[string]string{
		"DELETE FROM events": "300 rows (events 300)",
		"DELETE FROM events_1; DELETE FROM events_2a WHERE id < 100; DELETE FROM events_3": "(events",
		"TRUNCATE events": "TRUNCATE would remove 300 rows (events 300), limit 100",
		"BEGIN; TRUNCATE events_2; TRUNCATE events_1": "to 200 rows (events 200), limit 100",
	} {
		refused(t, try(l.connect("postgres"), sql), message)
	}
	if err := try(l.connect("postgres"), "DELETE FROM events WHERE id IN (1, 11, 21); DELETE FROM events_3 WHERE id = 22; DELETE FROM events_2 WHERE id = 12"); err != nil {
		t.Fatal(err)
	}
	equal(t, "evidence", l.evidence(), []string{"public.events direct 3 3", "public.events direct 1 1", "public.events direct 1 1"})
	// The partition has its columns in another order.
	equal(t, "keys", l.query("SELECT keys FROM rowback.evidence_key ORDER BY evidence"), []string{"{{1,1},{11,11},{21,21}}", "{{22,22}}", "{{12,12}}"})
}

func TestPartitions_MovingARowIsNoDeletion(t *testing.T) {
	l := newLab(t, partitioned)
	l.install(protect.InstallOptions{Tables: []string{"events"}, Threshold: 5})
	l.exec("UPDATE events SET day = 29 - day")
	equal(t, "evidence", l.evidence(), nil)
}

func TestPartitions_NewOnesAreNamedAndCoveredByInstall(t *testing.T) {
	l := newLab(t, partitioned)
	l.install(protect.InstallOptions{Tables: []string{"events"}, Threshold: 25})
	l.exec("CREATE TABLE events_4 PARTITION OF events FOR VALUES FROM (30) TO (40)", "INSERT INTO events SELECT 'x', 30 + i % 10, i FROM generate_series(1000, 1029) i")
	s := l.status("events_1") // its root is meant
	if s.OK() || len(s.Tables) != 6 {
		t.Errorf("%+v", s)
	}
	for _, x := range s.Tables {
		if x.Table == "events" && (len(x.Missing) != 1 || x.Missing[0] != "public.events_4" || x.Partitions != 5 || x.Covered != 4) {
			t.Errorf("%+v", x)
		}
	}
	// Through the root they count all the same.
	refused(t, try(l.connect("postgres"), "DELETE FROM events WHERE day >= 30"), "30 rows (events 30)")
	refused(t, try(l.connect("postgres"), "TRUNCATE events"), "330 rows (events 330)")
	l.install(protect.InstallOptions{})
	l.covered()
	refused(t, try(l.connect("postgres"), "DELETE FROM events_4"), "30 rows (events 30), limit 25")
	refused(t, try(l.connect("postgres"), "TRUNCATE events"), "330 rows (events 330)")
}

func TestInheritance_ChildrenCountAndKeysOfMixedRowsAreNotGuessed(t *testing.T) {
	l := newLab(t, `CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (x int, PRIMARY KEY (id)) INHERITS (a); CREATE TABLE c (PRIMARY KEY (id)) INHERITS (b);
		INSERT INTO a SELECT i FROM generate_series(1, 10) i; INSERT INTO b SELECT i FROM generate_series(1, 10) i; INSERT INTO c SELECT i FROM generate_series(1, 10) i`)
	l.install(protect.InstallOptions{Tables: []string{"a"}, Threshold: 20})
	l.covered()
	refused(t, try(l.connect("postgres"), "DELETE FROM a"), "30 rows (a 30), limit 20")
	refused(t, try(l.connect("postgres"), "TRUNCATE a"), "30 rows (a 10, b 10, c 10), limit 20")
	l.exec("DELETE FROM a WHERE id = 1", "DELETE FROM c WHERE id = 2")
	equal(t, "evidence", l.evidence(), []string{"public.a direct 3", "public.c direct 1 1"})
}

// A partition without triggers, two levels down, is counted by one of the tables above it.
func TestPartitions_UncoveredOnesCountOnceInTruncate(t *testing.T) {
	l := newLab(t, partitioned, "DELETE FROM events WHERE day = 15")
	l.install(protect.InstallOptions{Tables: []string{"events"}, Threshold: 100})
	l.exec("CREATE TABLE events_2b PARTITION OF events_2 FOR VALUES IN (15)", "INSERT INTO events SELECT 'x', 15, i FROM generate_series(2000, 2006) i")
	refused(t, try(l.connect("postgres"), "TRUNCATE events"), "297 rows (events 297)")
	l.exec("DELETE FROM events_2a WHERE id > 100", "TRUNCATE events_2")
	equal(t, "evidence", l.evidence(), []string{"public.events direct 62 62", "public.events truncate 7 7", "public.events truncate 28 28"})
}
