package pgjournal_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal/journaltest"
)

// The server is durable: that is the claim.
func TestMain(m *testing.M) {
	journaltest.Child()
	code := pgtest.Run(m, pgtest.Options{})
	if err := goleak.Find(); err != nil && code == 0 {
		println(err.Error())
		code = 1
	}
	os.Exit(code)
}

func TestShared(t *testing.T) {
	journaltest.Run(t, func(t *testing.T) string { return pgtest.Shared(t).URL(pgtest.Database(t)) })
}
