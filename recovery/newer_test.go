package recovery

import (
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
)

// both runs a test as a superuser, whose triggers are quiet, and as an ordinary role.
func (l *lab) both(test func(who string, prepare func(Options) Options)) {
	role := l.role(allGrants...)
	test("superuser", func(o Options) Options { return o })
	test("ordinary role", func(o Options) Options {
		o.Production, o.Recovery = l.asRole(l.production, role), l.asRole(l.recovery, role)
		return o
	})
}

func TestNullsNotDistinct_KeepOut(t *testing.T) {
	pgtest.Since(t, 15, "NULLS NOT DISTINCT")
	l := newLab(t, "CREATE TABLE p (id int PRIMARY KEY, u int UNIQUE NULLS NOT DISTINCT); INSERT INTO p VALUES (1, NULL), (2, 2), (3, 3)").backup()
	id := l.incident("DELETE FROM p")
	l.exec("INSERT INTO p VALUES (9, NULL)")
	report := l.restore(l.options(id))
	if c := l.count(report, "p"); c.Restored != 2 || c.Conflicts != 1 || !strings.Contains(reasons(report)[`p {"id":1}`], "another live row holds its value") {
		t.Errorf("%+v %v", c, reasons(report))
	}
}

func TestRelink_OfSomeColumns(t *testing.T) {
	pgtest.Since(t, 15, "ON DELETE SET NULL (columns)")
	l := newLab(t, `CREATE TABLE p (tenant int, id int, PRIMARY KEY (tenant, id)); CREATE TABLE c (id int PRIMARY KEY, tenant int NOT NULL, p int, FOREIGN KEY (p, tenant) REFERENCES p (id, tenant) ON DELETE SET NULL (p));
		INSERT INTO p SELECT 1, i FROM generate_series(1, 9) i; INSERT INTO c SELECT i, 1, i FROM generate_series(1, 9) i`).backup()
	before := l.state(l.production)
	l.both(func(who string, prepare func(Options) Options) {
		report := l.restore(prepare(l.options(l.incident("DELETE FROM p WHERE id > 3"))))
		l.is(l.state(l.production), before)
		if !report.Complete() || l.count(report, "c").Relinked != 6 {
			t.Errorf("%s: %+v", who, report)
		}
	})
}

func TestIdentity_OfAPartitionedTable(t *testing.T) {
	pgtest.Since(t, 17, "an identity column of a partitioned table that its partitions share")
	l := newLab(t, `CREATE TABLE p (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text) PARTITION BY RANGE (id);
		CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (50); CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (50) TO (1000); INSERT INTO p (v) SELECT 'v' FROM generate_series(1, 99)`).backup()
	before := l.state(l.production)
	l.both(func(who string, prepare func(Options) Options) {
		o := prepare(l.options(l.incident("DELETE FROM p WHERE id > 40")))
		l.exec("ALTER SEQUENCE p_id_seq RESTART WITH 41")
		report := l.restore(o)
		l.is(l.state(l.production), before)
		if !report.Complete() {
			t.Errorf("%s: %+v", who, report)
		}
		l.exec("INSERT INTO p (v) VALUES ('new')", "DELETE FROM p WHERE v = 'new'")
	})
}

func TestVirtual_ColumnsAreMadeAgain(t *testing.T) {
	pgtest.Since(t, 18, "a virtual generated column")
	l := newLab(t, `CREATE TABLE p (id int PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) VIRTUAL CHECK (twice > 0), stored int GENERATED ALWAYS AS (a * 3) STORED);
		INSERT INTO p (id, a) SELECT i, i FROM generate_series(1, 9) i`).backup()
	before := l.state(l.production)
	l.both(func(who string, prepare func(Options) Options) {
		report := l.restore(prepare(l.options(l.incident("DELETE FROM p WHERE twice > 6"))))
		l.is(l.state(l.production), before)
		if !report.Complete() || report.Restored != 6 {
			t.Errorf("%s: %+v", who, report)
		}
	})
}

// What no constraint of production enforces keeps no row out.
func TestNotEnforced_KeepsNothingOut(t *testing.T) {
	pgtest.Since(t, 18, "NOT ENFORCED")
	l := newLab(t, `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE NOT ENFORCED, v int CHECK (v > 5) NOT ENFORCED);
		INSERT INTO p VALUES (1); INSERT INTO c SELECT i, i, i FROM generate_series(1, 9) i`).backup()
	before := l.state(l.production)
	l.both(func(who string, prepare func(Options) Options) {
		report := l.restore(prepare(l.options(l.incident("DELETE FROM c WHERE id > 1"))))
		l.is(l.state(l.production), before)
		if !report.Complete() || report.Restored != 8 {
			t.Errorf("%s: %+v", who, report)
		}
	})
}

// periods: a room has prices, each for some time; a stay is within the prices' time,
// which several of them make up.
const periods = `CREATE EXTENSION btree_gist; CREATE TABLE price (room int, during daterange, cents int, PRIMARY KEY (room, during WITHOUT OVERLAPS));
	CREATE TABLE stay (id int PRIMARY KEY, room int, during daterange, FOREIGN KEY (room, PERIOD during) REFERENCES price (room, PERIOD during));
	INSERT INTO price SELECT r, daterange(d::date, d::date + 10), 100 FROM generate_series(1, 5) r, generate_series('2026-01-01', '2026-03-01', interval '10 days') d;
	INSERT INTO stay SELECT i, 1 + i % 5, daterange('2026-01-05'::date + i, '2026-01-12'::date + i) FROM generate_series(1, 30) i; INSERT INTO stay VALUES (31, 1, NULL), (32, NULL, '[2020-01-01,2020-01-02)')`

func TestPeriods_ComeBack(t *testing.T) {
	pgtest.Since(t, 18, "WITHOUT OVERLAPS and PERIOD")
	l := newLab(t, periods).backup()
	before := l.state(l.production)
	l.both(func(who string, prepare func(Options) Options) {
		report := l.restore(prepare(l.options(l.incident("DELETE FROM stay WHERE room IN (1, 2) OR room IS NULL; DELETE FROM price WHERE room IN (1, 2)"))))
		l.is(l.state(l.production), before)
		if !report.Complete() || report.Restored != 12+12+2 {
			t.Errorf("%s: %+v", who, report)
		}
		// Stays whose parents never went.
		report = l.restore(prepare(l.options(l.incident("DELETE FROM stay"))))
		l.is(l.state(l.production), before)
		if !report.Complete() || report.Restored != 32 {
			t.Errorf("%s: %+v", who, report)
		}
	})
}

func TestPeriods_WhatIsNotCoveredStaysOut(t *testing.T) {
	pgtest.Since(t, 18, "WITHOUT OVERLAPS and PERIOD")
	l := newLab(t, periods).backup()
	l.both(func(who string, prepare func(Options) Options) {
		before := l.state(l.production)
		id := l.incident("DELETE FROM stay WHERE room = 1; DELETE FROM price WHERE room = 1")
		// Another price for a part of the time, that overlaps two.
		l.exec("INSERT INTO price VALUES (1, '[2026-01-15,2026-01-25)', 7)")
		report := l.restore(prepare(l.options(id)))
		price, stay := l.count(report, "price"), l.count(report, "stay")
		if price.Restored != 4 || price.Conflicts != 2 || stay.Restored != 2 || stay.ParentGone != 5 {
			t.Errorf("%s: %+v %+v", who, price, stay)
		}
		if why := reasons(report)[`price {"room":1,"during":"[2026-01-11,2026-01-21)"}`]; !strings.Contains(why, "another live row holds its value in price_pkey") {
			t.Errorf("%s: %v", who, reasons(report))
		}
		// The other way about: the child alone, its parents gone for good.
		l.exec("DELETE FROM stay WHERE room = 1; DELETE FROM price WHERE room = 1 AND cents = 7")
		if report = l.restore(prepare(l.options(id))); !report.Complete() {
			t.Errorf("%s: %v", who, reasons(report))
		}
		l.is(l.state(l.production), before)
	})
}

func TestPeriods_AreUndone(t *testing.T) {
	pgtest.Since(t, 18, "WITHOUT OVERLAPS and PERIOD")
	l := newLab(t, periods).backup()
	id := l.incident("DELETE FROM stay WHERE room = 1; DELETE FROM price WHERE room = 1")
	gone := l.state(l.production)
	l.undo(UndoOptions{}, l.restore(l.options(id)).Entry)
	l.is(l.state(l.production), gone)
}
