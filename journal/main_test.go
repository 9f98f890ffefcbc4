package journal_test

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/rowback/rowback/journal/journaltest"
)

func TestMain(m *testing.M) {
	journaltest.Child()
	goleak.VerifyTestMain(m)
}

func TestEmbedded(t *testing.T) {
	journaltest.Run(t, func(t *testing.T) string { return filepath.Join(t.TempDir(), "journal") })
}
