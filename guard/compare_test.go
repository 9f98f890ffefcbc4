package guard_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/journal"
)

// Foreign keys compare by their own operators and in the referenced column's
// collation; so must the capture.
func TestCapture_ForeignKeysCompareAsTheServerDoes(t *testing.T) {
	e := newEnv(t, alertPolicy(), `
		CREATE EXTENSION citext;
		CREATE TABLE people (id citext PRIMARY KEY, parent citext REFERENCES people ON DELETE CASCADE);
		CREATE TABLE mails (id int PRIMARY KEY, person citext REFERENCES people ON DELETE CASCADE);
		CREATE TABLE words (id text COLLATE "C" PRIMARY KEY);
		CREATE TABLE uses (id int PRIMARY KEY, word text COLLATE "POSIX" REFERENCES words ON DELETE CASCADE);
		INSERT INTO people VALUES ('ann', NULL), ('Bob', 'ANN');
		INSERT INTO mails VALUES (1, 'ANN'), (2, 'bOB'), (3, NULL);
		INSERT INTO words VALUES ('a'), ('b');
		INSERT INTO uses VALUES (1, 'a'), (2, 'b');`)
	c := e.connect(pgx.QueryExecModeExec)
	for _, sql := range []string{"DELETE FROM people WHERE id = 'Ann'", "DELETE FROM words WHERE id = 'a'"} {
		if _, err := c.Exec(context.Background(), sql); err != nil {
			t.Fatal(sql, err)
		}
	}
	equal(t, "journalled", e.journalled(), []string{"mails 1", "mails 2", "people Bob", "people ann", "uses 1", "words a"})
	for _, x := range e.entries(journal.Filter{}) {
		for _, tb := range x.Tables {
			if !tb.KeysCaptured {
				t.Errorf("%s: %s", tb.Name, tb.Why)
			}
		}
	}
}
