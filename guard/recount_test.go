package guard_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// among runs sql while other sessions add rows to its cascade and take some from it:
// they end once it waits for them. It returns the rows that sql itself removed, as keys gives them.
func (e *env) among(before []string, sql string, others ...string) []string {
	e.t.Helper()
	var was []string
	e.amid(before, sql, func(other *pgx.Conn) { was = e.keysOf(other) }, others...)
	return minus(was, e.keys())
}

// amid is among for who looks, over the other session's connection, at what will be without sql.
func (e *env) amid(before []string, sql string, look func(other *pgx.Conn), others ...string) {
	t := e.t
	t.Helper()
	ctx := context.Background()
	other, c, watch := connect(t, e.direct, pgx.QueryExecModeExec), e.connect(pgx.QueryExecModeExec), e.watch()
	run := func(c *pgx.Conn, statements ...string) {
		for _, s := range statements {
			if _, err := c.Exec(ctx, s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
	}
	run(c, before...)
	run(other, append([]string{"BEGIN"}, others...)...)
	done := make(chan error)
	go func() { _, err := c.Exec(ctx, sql); done <- err }()
	e.awaitLock(watch)
	look(other)
	run(other, "COMMIT")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if len(before) > 0 {
		run(c, "COMMIT")
	}
}

func controlled(e *env) func(context.Context, string) (catalog.Querier, func(), error) {
	return func(ctx context.Context, _ string) (catalog.Querier, func(), error) {
		conn, err := pgx.Connect(ctx, e.direct)
		if err != nil {
			return nil, nil, err
		}
		return catalog.FromConn(conn), func() { conn.Close(context.Background()) }, nil
	}
}

// Rows that others add to a cascade, and take from it, while it runs: the entry has the keys
// of those that went with it, and no other's.
func TestRecount_OthersChangeTheCascade(t *testing.T) {
	others := []string{
		"INSERT INTO payments VALUES (1001, 1), (1002, 3)", "INSERT INTO refunds VALUES (1001, 1001)",
		"DELETE FROM refunds WHERE id = 1", "DELETE FROM payments WHERE id = 2",
	}
	for name, before := range map[string][]string{
		"by itself":        nil,
		"in a transaction": {"BEGIN", "DELETE FROM orders WHERE id = 5", "UPDATE payments SET order_id = 7 WHERE id = 11", "SAVEPOINT s"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, alertPolicy(), shop)
			e.control = controlled(e)
			e.start(alertPolicy(), e.journal)
			want := e.among(before, "DELETE FROM orders WHERE id <= 3", others...)
			if len(before) > 0 {
				want = append(want, "orders 5", "payments 10", "payments 9", "refunds 10", "refunds 9")
				slices.Sort(want)
				want = slices.Compact(want)
			}
			if got := e.journalled(); !slices.Equal(got, want) {
				t.Errorf("journal has %v\nremoved were %v", got, want)
			}
			for _, x := range e.entries(journal.Filter{Outcome: journal.Committed}) {
				for _, tb := range x.Tables {
					if !tb.KeysCaptured {
						t.Errorf("%+v", tb)
					}
				}
			}
		})
	}
}

// Without a connection of rowback's own the entry says that the keys are not those.
func TestRecount_WithoutAControlConnection(t *testing.T) {
	e := newEnv(t, alertPolicy(), shop)
	want := e.among(nil, "DELETE FROM orders WHERE id <= 3", "INSERT INTO payments VALUES (1001, 1)", "DELETE FROM payments WHERE id IN (2, 3)")
	for _, x := range e.entries(journal.Filter{Outcome: journal.Committed}) {
		if x.Rows != int64(len(want)) {
			t.Errorf("%d rows, removed were %d", x.Rows, len(want))
		}
		for _, tb := range x.Tables {
			if tb.KeysCaptured != (tb.Name == "orders") && tb.Via == journal.Cascade {
				t.Errorf("%+v", tb)
			}
		}
	}
}

// Where a trigger makes the numbers differ each time, few of the statements are recounted.
func TestRecount_NotEachTime(t *testing.T) {
	e := newEnv(t, alertPolicy(), shop, `CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM refunds WHERE id = OLD.id + 100; RETURN NULL; END';
		CREATE TRIGGER more AFTER DELETE ON refunds FOR EACH ROW EXECUTE FUNCTION more()`)
	looks := 0 // by the one session
	control := controlled(e)
	e.control = func(ctx context.Context, database string) (catalog.Querier, func(), error) {
		looks++
		return control(ctx, database)
	}
	e.start(alertPolicy(), e.journal)
	c := e.connect(pgx.QueryExecModeExec)
	const statements = 30
	begun := time.Now()
	for i := range statements {
		mustExec(t, c, fmt.Sprintf("DELETE FROM orders WHERE id = %d", i+1))
	}
	if most := int(time.Since(begun)/time.Second) + 1; looks == 0 || looks > most {
		t.Errorf("%d looks at %d statements in %v", looks, statements, time.Since(begun))
	}
	looks = 0
	e.clock.advance(-3 * time.Hour) // nobody waits for the time that it showed
	if mustExec(t, c, fmt.Sprintf("DELETE FROM orders WHERE id = %d", statements+1)); looks != 1 {
		t.Errorf("%d looks once the clock was put back", looks)
	}
}

// Links that others make while the rows are removed are cut as well. What they pointed
// at nobody can tell any more: the entry says so, beside those that it has.
func TestRecount_OthersMakeLinks(t *testing.T) {
	e := newEnv(t, alertPolicy(), shop)
	e.among(nil, "DELETE FROM orders WHERE id <= 3", "INSERT INTO notes VALUES (1001, 1)", "UPDATE notes SET order_id = 2 WHERE id = 40")
	var got []string
	for _, x := range e.entries(journal.Filter{Outcome: journal.Committed}) {
		for _, tb := range x.Tables {
			if tb.Via == journal.SetNull {
				got = append(got, fmt.Sprintf("%s %d %v %s", tb.Name, tb.Rows, tb.KeysCaptured, tb.Why))
			}
		}
	}
	equal(t, "links", got, []string{"notes 3 true ", "notes 2 false other sessions changed rows of it while the statement ran"})
	passes(t, e.connect(pgx.QueryExecModeExec), "DELETE FROM orders WHERE id = 4") // and where they do not
	for _, tb := range e.entries(journal.Filter{})[0].Tables {
		if !tb.KeysCaptured {
			t.Errorf("%+v", tb)
		}
	}
}

// A trigger that links a row to one that is going: that others have made links is not said for that.
func TestRecount_TriggersMakeLinks(t *testing.T) {
	e := newEnv(t, blockPolicy(), `CREATE TABLE o (id int PRIMARY KEY); INSERT INTO o SELECT generate_series(1, 5); CREATE TABLE log (id serial PRIMARY KEY, o int REFERENCES o ON DELETE SET NULL);
		CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO log (o) VALUES (OLD.id); RETURN OLD; END'; CREATE TRIGGER note BEFORE DELETE ON o FOR EACH ROW EXECUTE FUNCTION note()`)
	passes(t, e.connect(pgx.QueryExecModeExec), "DELETE FROM o WHERE id <= 2")
	var got []string
	for _, tb := range e.entries(journal.Filter{})[0].Tables {
		got = append(got, fmt.Sprint(tb.Name, " ", tb.Rows, " ", tb.KeysCaptured))
	}
	equal(t, "tables", got, []string{"o 2 true"})
}

// Of a table that refers to itself the rows that the statement names are known, the others
// are not where somebody has moved, or removed, some of them meanwhile.
func TestRecount_RowsThatReferToTheirOwnTable(t *testing.T) {
	for _, other := range []string{"DELETE FROM tree WHERE id = 4", "UPDATE tree SET parent = 3 WHERE id = 4", "INSERT INTO tree VALUES (100, 4)"} {
		t.Run(other, func(t *testing.T) {
			e := newEnv(t, alertPolicy(), shop)
			gone := e.among(nil, "DELETE FROM tree WHERE id = 2", other)
			es := e.entries(journal.Filter{})
			if len(es) != 1 || es[0].Rows != int64(len(gone)) || len(es[0].Tables) != 2 {
				t.Fatalf("%d rows are gone; entries %+v", len(gone), es)
			}
			for _, s := range es[0].Tables {
				if direct := s.Via == journal.Direct; s.KeysCaptured != direct || direct && s.Rows != 1 || s.Rows < 0 {
					t.Errorf("%+v", s)
				}
			}
		})
	}
}
