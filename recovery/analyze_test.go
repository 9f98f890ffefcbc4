package recovery

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Of the tables those are analyzed that have got rows back, after COMMIT; no other.
func TestAnalyze_OnlyWhatWasTouched(t *testing.T) {
	l := newLab(t, `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE); CREATE TABLE above (id int PRIMARY KEY);
		ALTER TABLE p ADD up int REFERENCES above; CREATE TABLE aside (id int PRIMARY KEY, p int REFERENCES p); CREATE TABLE emptied (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE);
		INSERT INTO above VALUES (1); INSERT INTO p SELECT i, 1 FROM generate_series(1, 50) i; INSERT INTO c SELECT i, i FROM generate_series(1, 50) i; INSERT INTO aside VALUES (1, 1)`).backup()
	l.restore(l.options(l.incident("DELETE FROM p WHERE id > 1")))
	analyzed := func() (names []string) {
		conn, err := pgx.Connect(t.Context(), l.production) // of its own: a session keeps what it has seen of them
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		rows, err := conn.Query(t.Context(), "SELECT relname FROM pg_stat_user_tables WHERE last_analyze IS NOT NULL ORDER BY 1")
		if err != nil {
			t.Fatal(err)
		}
		if names, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			t.Fatal(err)
		}
		return names
	}
	// Before PostgreSQL 15 they come some time after what they are about.
	for end := time.Now().Add(30 * time.Second); len(analyzed()) < 2 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
	}
	if got := analyzed(); !slices.Equal(got, []string{"c", "p"}) {
		t.Errorf("analyzed are %v", got)
	}
}
