package recovery

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Nothing is asked of tables that a restore has nothing to do with: others may lock them, or
// drop them meanwhile, as sessions that end do with their temporary ones.
func TestRestore_AsksNothingOfOtherTables(t *testing.T) {
	l := newLab(t, `CREATE TABLE p (id int PRIMARY KEY, a text); INSERT INTO p VALUES (1, 'a'); CREATE TABLE aside (id int PRIMARY KEY, a text CHECK (a <> 'z'), g text GENERATED ALWAYS AS (lower(a)) STORED);
		CREATE UNIQUE INDEX ON aside (lower(a)) WHERE a > 'b'; CREATE VIEW seen AS SELECT lower(a) FROM aside; CREATE TABLE parts (id int, a text) PARTITION BY RANGE ((lower(a))); CREATE TABLE part PARTITION OF parts FOR VALUES FROM ('a') TO ('c')`).backup()
	id := l.incident("DELETE FROM p")
	for _, database := range []string{l.production, l.recovery} {
		other, err := pgx.Connect(t.Context(), database)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close(t.Context())
		if _, err := other.Exec(t.Context(), "BEGIN; LOCK TABLE aside, parts, part IN ACCESS EXCLUSIVE MODE"); err != nil {
			t.Fatal(err)
		}
	}
	if report := l.restore(l.options(id)); report.Restored != 1 || !report.Complete() {
		t.Errorf("%+v", report)
	}
}

// A lock that another session holds is no fault of the request, and loses no links.
func TestRestore_LocksAreNoRefusals(t *testing.T) {
	l := newLab(t, `CREATE TABLE p (id int PRIMARY KEY, a text DEFAULT 'x' CHECK (a <> 'z')); INSERT INTO p VALUES (1);
		CREATE TABLE c (id int PRIMARY KEY, p int DEFAULT 1 + 1 CHECK (p > 0) REFERENCES p ON DELETE SET NULL, g text GENERATED ALWAYS AS (lower(id::text)) STORED); INSERT INTO c VALUES (1, 1); CREATE UNIQUE INDEX ON c (lower(id::text))`).backup()
	id := l.incident("DELETE FROM p")
	restored := l.restore(l.options(id)).Entry
	locked := func(table string, do func() error) {
		other := l.connect()
		must(t, other, "BEGIN; LOCK TABLE "+table+" IN ACCESS EXCLUSIVE MODE")
		var refused *Refusal
		if err := do(); err == nil || errors.As(err, &refused) || !strings.Contains(err.Error(), "--lock-timeout") {
			t.Errorf("%s: %T %v", table, err, err)
		}
		must(t, other, "ROLLBACK")
	}
	for _, table := range []string{"p", "c"} {
		locked(table, func() error {
			_, err := Undo(t.Context(), UndoOptions{Production: l.production, Journal: l.journal, IDs: []string{restored}, LockTimeout: 50 * time.Millisecond, DryRun: true})
			return err
		})
	}
	l.undo(UndoOptions{}, restored)
	for _, table := range []string{"p", "c"} {
		locked(table, func() error {
			o := l.options(id)
			o.LockTimeout, o.DryRun = 50*time.Millisecond, true
			_, err := Restore(t.Context(), o)
			return err
		})
	}
}
