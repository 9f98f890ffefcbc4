package pgjournal

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// The server's answers say what to do about them.
func TestExplain(t *testing.T) {
	j := &shared{where: "j1:5432/rowback"}
	for code, want := range map[string]string{
		"42P05": "a pooler in transaction mode stands before it; connect straight",
		"26000": "a pooler in transaction mode stands before it; connect straight",
		"28P01": "does not let this role in; mend user and password",
		"42501": "who only reads needs USAGE on the schema",
	} {
		answer := &pgconn.PgError{Code: code}
		if err := j.explain(answer); !strings.Contains(err.Error(), want) || !errors.Is(err, answer) {
			t.Errorf("%s: %v", code, err)
		}
	}
}
