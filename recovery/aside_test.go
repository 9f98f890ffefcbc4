package recovery

import (
	"testing"

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
