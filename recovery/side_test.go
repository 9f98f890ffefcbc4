package recovery

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// A restore that is refused by a rowback proxy was sent to the wrong address. What the
// triggers in the database refuse, with a context, was not.
func TestSide_SaysThatItLeadsToAProxy(t *testing.T) {
	for where, want := range map[string]bool{"": true, "PL/pgSQL function rowback.judge() line 7 at RAISE": false} {
		err := (&side{name: "production"}).explain(&pgconn.PgError{Code: "RB001", Message: "it removes too much", Where: where})
		if got := strings.Contains(err.Error(), "leads to a rowback proxy") && strings.Contains(err.Error(), "name the server itself with --production"); got != want || sqlState(err) != "RB001" {
			t.Errorf("%q: %v", where, err)
		}
	}
}

// What the journal has as committed a crash of the server does not take back.
func TestSide_CommitsAreDurable(t *testing.T) {
	l := newLab(t)
	for is, want := range map[string]string{"off": "local", "remote_write": "remote_write", "on": "on"} {
		l.exec("ALTER DATABASE " + l.name + " SET synchronous_commit = " + is)
		rows, err := l.side(l.production).rows(context.Background(), "SHOW synchronous_commit")
		if err != nil || *rows[0][0] != want {
			t.Errorf("%s: %v, want %s", is, err, want)
		}
	}
}
