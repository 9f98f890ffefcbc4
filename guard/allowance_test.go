package guard_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// grant stores an allowance for the env's database.
func (e *env) grant(a journal.Allowance) string {
	e.t.Helper()
	now := e.clock.now()
	a.ID, a.Time, a.By = journal.NewID(now), now, "dba"
	if a.Expires.IsZero() {
		a.Expires = now.Add(10 * time.Minute)
	}
	if err := e.journal.Grant(context.Background(), &a); err != nil {
		e.t.Fatal(err)
	}
	return a.ID
}

// used is what an allowance's uses have taken.
func (e *env) used(id string) (rows int64, uses int) {
	e.t.Helper()
	all, err := e.journal.Allowances(context.Background(), time.Time{})
	if err != nil {
		e.t.Fatal(err)
	}
	for _, a := range all {
		if a.ID == id {
			for _, u := range a.Uses {
				rows += u.Rows
			}
			return rows, len(a.Uses)
		}
	}
	e.t.Fatalf("no allowance %s", id)
	return 0, 0
}

func (e *env) wantUsed(id string, rows int64, uses int) {
	e.t.Helper()
	if r, n := e.used(id); r != rows || n != uses {
		e.t.Errorf("the allowance has %d uses of %d rows, want %d of %d", n, r, uses, rows)
	}
}

func TestAllowance_LetsTheIntendedDeleteThroughOnce(t *testing.T) {
	eachForm(t, blockPolicy(), []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		id := e.grant(journal.Allowance{Rows: 60, Tables: []string{"orders"}, User: "postgres", Database: e.database, Once: true, Reason: "GDPR batch 7"})
		refused(t, c, "DELETE FROM plain")                 // another table
		refused(t, c, "DELETE FROM orders WHERE id <= 13") // 65 rows with its cascades
		e.wantUsed(id, 0, 0)
		passes(t, c, "BEGIN")
		passes(t, c, "DELETE FROM orders WHERE id <= 10")
		passes(t, c, "ROLLBACK")
		e.wantUsed(id, 0, 0) // given back
		passes(t, c, "BEGIN")
		passes(t, c, "DELETE FROM orders WHERE id <= 10")
		passes(t, c, "DELETE FROM plain WHERE id <= 10") // the limit is there for what was not allowed
		passes(t, c, "COMMIT")
		e.wantUsed(id, 50, 1)
		refused(t, c, "DELETE FROM orders WHERE id IN (11, 12, 13)") // used up
		es := e.entries(journal.Filter{Outcome: journal.Committed})
		if len(es) != 1 || len(es[0].Allowed) != 1 || es[0].Alert != "" {
			t.Fatalf("entries %+v", es)
		}
		want := journal.Allowed{By: "dba", How: "allowance", ID: id, Rows: 50, Reason: "GDPR batch 7"}
		if es[0].Allowed[0] != want {
			t.Errorf("allowed %+v, want %+v", es[0].Allowed[0], want)
		}
	})
}

func TestAllowance_IsSharedUntilItsRowsAreGone(t *testing.T) {
	eachForm(t, blockPolicy(), []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		id := e.grant(journal.Allowance{Rows: 40})
		passes(t, c, "DELETE FROM plain WHERE id <= 15")
		passes(t, c, "BEGIN")
		passes(t, c, "SAVEPOINT a")
		passes(t, c, "DELETE FROM plain WHERE id <= 30")
		passes(t, c, "ROLLBACK TO a")
		passes(t, c, "DELETE FROM plain WHERE id <= 26")
		passes(t, c, "COMMIT")
		e.wantUsed(id, 26, 2)
		refused(t, c, "DELETE FROM plain WHERE id <= 41") // 15, 14 are left
		e.wantUsed(id, 26, 2)
		e.clock.advance(10 * time.Minute)
		refused(t, c, "DELETE FROM plain WHERE id <= 38")
	})
}

// An allowance that is too small is not passed over in silence; one for something else is.
func TestAllowance_ThatIsTooSmallIsNamed(t *testing.T) {
	eachForm(t, blockPolicy(), []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		e.grant(journal.Allowance{Rows: 5})
		id := e.grant(journal.Allowance{Rows: 20, Tables: []string{"plain"}})
		e.grant(journal.Allowance{Rows: 15, Tables: []string{"plain"}, Expires: e.clock.now()})
		words := "; allowance " + id + " has 20 rows left, and this needs 25"
		pe := refused(t, c, "DELETE FROM plain WHERE id <= 25", words)
		if !strings.Contains(pe.Hint, "--rows 25 ") || !strings.Contains(pe.Hint, "Take more than it needs now") {
			t.Errorf("hint %q", pe.Hint)
		}
		if es := e.entries(journal.Filter{Outcome: journal.Blocked}); len(es) != 1 || !strings.Contains(es[0].Alert, words) {
			t.Errorf("entries %+v", es)
		}
		passes(t, c, "DELETE FROM plain WHERE id <= 12")
		refused(t, c, "DELETE FROM plain WHERE id <= 25", "; allowance "+id+" has 8 rows left, and this needs 13")
		if pe := refused(t, c, "DELETE FROM orders"); strings.Contains(pe.Message, id) {
			t.Errorf("message %q", pe.Message)
		}
		e.wantUsed(id, 12, 1)
	})
}

func TestAllowance_OfAlertModeIsNoAlert(t *testing.T) {
	e := newEnv(t, alertPolicy(), shop)
	e.grant(journal.Allowance{Rows: 40, Tables: []string{"pl*"}})
	passes(t, e.connect(pgx.QueryExecModeExec), "DELETE FROM plain WHERE id <= 15")
	if es := e.entries(journal.Filter{}); len(es) != 1 || es[0].Alert != "" || len(es[0].Allowed) != 1 {
		t.Errorf("entries %+v", es)
	}
}

func TestAllowance_InAComment(t *testing.T) {
	r := policy.Rule{Name: "gdpr", Match: policy.Match{Users: []string{"postgres"}}, Statement: 10, Transaction: 10, CommentAllowances: true, CommentMax: 50}
	eachForm(t, ruled(r), []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		hint := func(sql, want string) {
			t.Helper()
			if pe := refused(t, c, sql); !strings.Contains(pe.Hint, want) {
				t.Errorf("%s: %s", sql, pe.Hint)
			}
		}
		hint("/* rowback:allow=19 */ DELETE FROM plain WHERE id <= 20", ". The comment allows 19 rows.")
		hint("/* rowback:allow=60 */ DELETE FROM plain WHERE id <= 20", ". The comment allows 60 rows: the rule takes at most 50 from a comment.")
		refused(t, c, "DELETE FROM plain WHERE id <= 20 /* rowback:allow=20 */")
		passes(t, c, "/* rowback:allow=20 reason=GDPR batch 7 */ DELETE FROM plain WHERE id <= 20")
		es := e.entries(journal.Filter{Outcome: journal.Committed})
		if want := (journal.Allowed{By: "postgres", How: "comment", Rows: 20, Reason: "GDPR batch 7"}); len(es) != 1 || len(es[0].Allowed) != 1 || es[0].Allowed[0] != want {
			t.Errorf("entries %+v", es)
		}
		other := r
		other.Match.Users = []string{"somebody"}
		if err := e.judge.SetPolicy(t.Context(), policy.Policy{Rules: []policy.Rule{other}, Default: blockPolicy().Default}); err != nil {
			t.Fatal(err)
		}
		hint("/* rowback:allow=20 */ DELETE FROM plain WHERE id <= 40", ". The rule takes no allowance from a comment.")
	})
}

// An allowance's rows go over the limit; what goes within it is no way to get more of them.
func TestAllowance_LetsNoMoreThanItsRowsOverTheLimit(t *testing.T) {
	eachForm(t, blockPolicy(), []string{shop}, func(t *testing.T, e *env, c *pgx.Conn) {
		id := e.grant(journal.Allowance{Rows: 20, Once: true})
		passes(t, c, "BEGIN")
		for i := 1; i <= 30; i++ { // 10 within the limit, 20 by the allowance
			passes(t, c, fmt.Sprintf("DELETE FROM plain WHERE id = %d", i))
		}
		refused(t, c, "DELETE FROM plain WHERE id = 31", "31 rows")
		passes(t, c, "ROLLBACK")
		passes(t, c, "BEGIN")
		passes(t, c, "DELETE FROM plain WHERE id <= 9")
		passes(t, c, "DELETE FROM plain WHERE id <= 11")
		passes(t, c, "DELETE FROM plain WHERE id = 12")
		passes(t, c, "DELETE FROM plain WHERE id <= 24")
		passes(t, c, "COMMIT")
		e.wantUsed(id, 14, 1)
	})
}
