package recovery

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

const keylessTable = "CREATE TABLE k (a int, v text); INSERT INTO k SELECT i, 'x' FROM generate_series(1, 5) i"

// gated takes evidence when it is let through.
type gated struct {
	journal.Journal
	arrived, gate chan struct{}
}

func (j gated) Append(ctx context.Context, e *journal.Entry, k *journal.Keys) error {
	j.arrived <- struct{}{}
	<-j.gate
	return j.Journal.Append(ctx, e, k)
}

// Two restores of one deletion: the second waits for the first, and finds the rows.
func TestKeyless_TwoAtOnce(t *testing.T) {
	for _, batch := range []int64{0, 2} {
		t.Run(fmt.Sprint("batch ", batch), func(t *testing.T) {
			l := newLab(t, keylessTable)
			before := l.content("k")
			id := l.imaged(nil, "DELETE FROM k")
			j := gated{l.journal, make(chan struct{}, 2), make(chan struct{})}
			type ended struct {
				report *Report
				err    error
			}
			start := func() chan ended {
				o := l.alone(id)
				o.Batch, o.LockTimeout, o.Journal = batch, time.Minute, j
				done := make(chan ended, 1)
				go func() {
					r, err := Restore(context.Background(), o)
					done <- ended{r, err}
				}()
				return done
			}
			first := start()
			<-j.arrived // its rows are in, and verified
			second := start()
			watch := l.connect()
			for waits, deadline := false, time.Now().Add(30*time.Second); !waits && len(j.arrived) == 0; {
				err := watch.QueryRow(context.Background(), "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'k'::regclass)").Scan(&waits)
				if err != nil || time.Now().After(deadline) {
					t.Fatal("the second neither waits nor goes on", err)
				}
			}
			close(j.gate)
			a, b := <-first, <-second
			if a.err != nil || b.err != nil {
				t.Fatal(a.err, b.err)
			}
			if c := l.count(b.report, "k"); a.report.Restored != 5 || c.Restored != 0 || c.AlreadyPresent != 5 {
				t.Errorf("%d restored, then %+v", a.report.Restored, c)
			}
			if got := l.content("k"); !slices.Equal(got, before) {
				t.Errorf("%v", got)
			}
		})
	}
}

// While one asks, another restores, and the site goes on with the rows.
func TestKeyless_RestoredWhileItAsked(t *testing.T) {
	l := newLab(t, keylessTable)
	id := l.imaged(nil, "DELETE FROM k")
	o := l.alone(id)
	o.Confirm = func(_ context.Context, p *Plan) (bool, error) {
		if p.Restored != 5 || !strings.Contains(strings.Join(p.Warnings, "\n"), "other writers of public.k wait") {
			t.Errorf("%+v", p)
		}
		l.restore(l.alone(id))
		l.exec("UPDATE k SET v = 'changed'")
		return true, nil
	}
	if report := l.restore(o); report.Restored != 0 || report.Complete() || !strings.Contains(report.Unrestored[0].Reason, "no identical row is there now") {
		t.Errorf("%+v", report)
	}
	if got := l.content("k"); len(got) != 5 {
		t.Errorf("%v", got)
	}
}

// … or takes its restore back again.
func TestKeyless_UndoneWhileItAsked(t *testing.T) {
	pgtest.Since(t, 15, tellsRuns)
	l := newLab(t, keylessTable)
	before := l.content("k")
	id := l.imaged(nil, "DELETE FROM k")
	first := l.restore(l.alone(id))
	o := l.alone(id)
	o.Confirm = func(_ context.Context, p *Plan) (bool, error) {
		if p.Restored != 0 {
			t.Errorf("%+v", p)
		}
		_, err := Undo(context.Background(), UndoOptions{Production: l.production, Journal: forgetful{l.journal}, IDs: []string{first.Entry}})
		return true, err
	}
	if report := l.restore(o); report.Restored != 5 || !report.Complete() {
		t.Errorf("%+v", report)
	}
	if got := l.content("k"); !slices.Equal(got, before) {
		t.Errorf("%v", got)
	}
}

// forgetful keeps no outcomes, as if the process died after its commit.
type forgetful struct{ journal.Journal }

func (forgetful) Settle(context.Context, string, journal.Outcome) error { return journal.ErrAway }

// A restore whose outcome nobody has recorded did what the server says.
func TestKeyless_AfterARestoreInDoubt(t *testing.T) {
	pgtest.Since(t, 15, tellsRuns)
	l := newLab(t, keylessTable)
	before := l.content("k")
	id := l.imaged(nil, "DELETE FROM k")
	o := l.alone(id)
	o.Journal = fatal{l.journal, l}
	if _, err := Restore(context.Background(), o); err == nil {
		t.Fatal("it committed")
	}
	o.Journal = forgetful{l.journal}
	if report := l.restore(o); report.Restored != 5 { // the one before did not commit
		t.Errorf("%+v", report)
	}
	if got := l.content("k"); !slices.Equal(got, before) {
		t.Errorf("%v", got)
	}
	l.exec("UPDATE k SET v = 'changed'")
	if c := l.count(l.restore(l.alone(id)), "k"); c.Restored != 0 || c.Different != 5 {
		t.Errorf("%+v", c)
	}
}

// fatal ends the restore's session once its evidence is there, and keeps no outcomes.
type fatal struct {
	journal.Journal
	l *lab
}

func (j fatal) Append(ctx context.Context, e *journal.Entry, k *journal.Keys) error {
	err := j.Journal.Append(ctx, e, k)
	j.l.on(j.l.production, "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE application_name = 'rowback restore' AND datname = current_database()")
	return err
}

func (fatal) Settle(context.Context, string, journal.Outcome) error { return journal.ErrAway }

// Where the server cannot tell either, nothing is written.
func TestKeyless_AfterARestoreThatNobodyKnowsOf(t *testing.T) {
	l := newLab(t, keylessTable)
	id := l.imaged(nil, "DELETE FROM k")
	e := l.broughtBack(id, journal.InDoubt, l.name, journal.Server{Started: time.Now().Add(-24 * time.Hour)})
	report := l.restore(l.alone(id))
	if report.Restored != 0 || report.Complete() || !strings.Contains(report.Unrestored[0].Reason, "5 rows: how "+e.ID+" ended is not known") {
		t.Errorf("%+v", report)
	}
	if got := l.content("k"); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// broughtBack puts a restore of all five rows on record.
func (l *lab) broughtBack(id string, how journal.Outcome, database string, server journal.Server) *journal.Entry {
	l.t.Helper()
	now := time.Now()
	e := &journal.Entry{ID: journal.NewID(now), Time: now, Kind: journal.Restore, Outcome: how, Database: database, XID: "3", Rows: 5, Restores: []string{id},
		Server: server, Tables: []journal.Table{{Schema: "public", Name: "k", Rows: 5, Via: viaRestore, Why: noKey}}}
	if err := l.journal.Append(context.Background(), e, nil); err != nil {
		l.t.Fatal(err)
	}
	return e
}

// What a restore put into another database, or on another server, is not back here; what it
// may have put here, and is not there, is listed.
func TestKeyless_RestoredElsewhere(t *testing.T) {
	const another = "7300000000000000001"
	for name, c := range map[string]struct {
		database, server, deletion string // "": this one
		restored                   int64
	}{
		"another database":                     {database: "postgres", restored: 5},
		"another server":                       {server: another, restored: 5},
		"here":                                 {},
		"a database that was renamed, perhaps": {database: "what it was called"},
		"a server that production was on, perhaps":     {server: another, deletion: another},
		"another database of it, under another's name": {database: "postgres", server: another, deletion: another},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, keylessTable)
			before := l.content("k")
			id := l.imaged(nil, "DELETE FROM k")
			here, err := l.side(l.production).system(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			e := l.broughtBack(id, journal.Committed, cmp.Or(c.database, l.name), journal.Server{SystemID: cmp.Or(c.server, here)})
			o := l.alone(id)
			o.Source.of[0].Server.SystemID = cmp.Or(c.deletion, here)
			report := l.restore(o)
			if report.Restored != c.restored || l.count(report, "k").AlreadyPresent != 0 || report.Complete() != (c.restored > 0) {
				t.Errorf("%+v", report)
			}
			if c.restored > 0 {
				if got := l.content("k"); !slices.Equal(got, before) {
					t.Errorf("%v", got)
				}
			} else if got := l.content("k"); len(got) > 0 || !strings.Contains(report.Unrestored[0].Reason, "5 rows: "+e.ID+" brought it back (into "+e.Database+" at ") {
				t.Errorf("%v, %+v", got, report.Unrestored)
			}
		})
	}
}

// Rows that were restored and removed again come back for the later deletion.
func TestKeyless_RestoredAndRemovedAgain(t *testing.T) {
	l := newLab(t, keylessTable)
	before := l.content("k")
	first := l.imaged(nil, "DELETE FROM k WHERE a < 4")
	l.restore(l.alone(first))
	last := l.imaged(nil, "DELETE FROM k WHERE a < 3")
	if report := l.restore(l.alone(first, last)); report.Restored != 2 || !report.Complete() {
		t.Errorf("%+v", report)
	}
	if got := l.content("k"); !slices.Equal(got, before) {
		t.Errorf("%v", got)
	}
}

// Another's transaction that writes the table is waited for no longer than for any lock.
func TestKeyless_LockTimeout(t *testing.T) {
	l := newLab(t, keylessTable)
	id := l.imaged(nil, "DELETE FROM k WHERE a < 3")
	other := l.connect()
	must(t, other, "BEGIN")
	must(t, other, "UPDATE k SET v = 'y'")
	o := l.alone(id)
	o.LockTimeout = time.Millisecond
	if _, err := Restore(context.Background(), o); err == nil || !strings.Contains(err.Error(), "--lock-timeout") {
		t.Error(err)
	}
	if got := l.content("k"); len(got) != 3 {
		t.Errorf("%v", got)
	}
}

// The table was renamed after a restore: what it brought back is known all the same.
func TestKeyless_RenamedSinceItsRestore(t *testing.T) {
	for _, between := range []bool{false, true} {
		l := newLab(t, keylessTable)
		id := l.imaged(nil, "DELETE FROM k")
		o := l.alone(id)
		o.Config = &Config{Tables: []TableConfig{{Name: "kk", From: "k"}}}
		if between {
			l.exec("ALTER TABLE k RENAME TO kk")
			l.restore(o)
			l.exec("UPDATE kk SET v = 'changed' WHERE a = 1")
		} else {
			l.restore(l.alone(id))
			l.exec("UPDATE k SET v = 'changed' WHERE a = 1", "ALTER TABLE k RENAME TO kk")
		}
		o.Source = l.alone(id).Source
		if report := l.restore(o); report.Restored != 0 || len(l.content("kk")) != 5 {
			t.Errorf("%+v, %v", report.Tables, l.content("kk"))
		}
	}
}
