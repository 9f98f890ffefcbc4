package journal_test

import (
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/rowback/rowback/journal/journaltest"
)

func TestMain(m *testing.M) {
	journaltest.Child()
	code := m.Run()
	if code == 0 {
		// database/sql ends its goroutine some time after Close has returned.
		if err := goleak.Find(); err != nil {
			println(err.Error())
			code = 1
		}
	}
	os.Exit(code)
}

func TestEmbedded(t *testing.T) {
	journaltest.Run(t, func(t *testing.T) string { return filepath.Join(t.TempDir(), "journal") })
}
