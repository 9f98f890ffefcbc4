package journaltest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/journal/journals"
)

// NewLocation returns the location of a journal that does not exist yet or is empty.
type NewLocation func(t *testing.T) string

// Run runs the suite on journals opened with journals.Open.
func Run(t *testing.T, location NewLocation) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, NewLocation)
	}{
		{"Append", testAppend},
		{"AppendRefused", testAppendRefused},
		{"Settle", testSettle},
		{"Prepared", testPrepared},
		{"Lookup", testLookup},
		{"Filters", testFilters},
		{"Order", testOrder},
		{"Concurrent", testConcurrent},
		{"Cancel", testCancel},
		{"BigKeys", testBigKeys},
		{"Images", testImages},
		{"ImagesSealed", testImagesSealed},
		{"ImagesRefused", testImagesRefused},
		{"Closed", testClosed},
		{"OtherProcess", testOtherProcess},
		{"WholeOrAbsentWhenKilled", testKilled},
		{"Allowances", testAllowances},
		{"Revoke", testRevoke},
		{"Use", testUse},
		{"UseModel", testUseModel},
		{"UseSideBySide", testUseSideBySide},
		{"UseOtherProcesses", testUseOtherProcesses},
		{"UseKilled", testUseKilled},
		{"Holds", testHolds},
		{"Decide", testDecide},
		{"DecideSideBySide", testDecideSideBySide},
		{"ApprovalsClosed", testApprovalsClosed},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, location) })
	}
}

func open(t *testing.T, location string) journal.Journal {
	t.Helper()
	j, err := journals.Open(t.Context(), location, journal.Options{})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return j
}

var base = time.Date(2026, 1, 31, 12, 0, 0, 123456789, time.UTC)

// entry makes an entry of one table, public.orders with the key id; change may alter it.
func entry(change func(*journal.Entry)) *journal.Entry {
	e := &journal.Entry{
		Time:        base,
		Kind:        journal.Deletion,
		Database:    "shop",
		User:        "batch",
		Application: "cleanup",
		Client:      "192.0.2.7:5555",
		XID:         "7001",
		Outcome:     journal.InDoubt,
		Statements:  []journal.Statement{{SQL: "DELETE FROM orders", Tag: "DELETE 3"}},
		Rows:        3,
		Tables: []journal.Table{{
			Schema: "public", Name: "orders", OID: 16400, Rows: 3, Via: journal.Direct, KeysCaptured: true,
			Key: []journal.Column{{Name: "id", Type: "bigint"}},
		}},
		Server: journal.Server{SystemID: "7300000000000000000", Started: base.Add(-time.Hour)},
		Proxy:  "p1",
	}
	if change != nil {
		change(e)
	}
	if e.ID == "" {
		e.ID = journal.NewID(e.Time)
	}
	return e
}

// keys gathers count rows of table 0: the numbers from 1.
func keys(t *testing.T, count int) *journal.Keys {
	t.Helper()
	k := journal.NewKeys(t.TempDir())
	t.Cleanup(func() { k.Close() })
	for i := range count {
		if err := k.Add(number(i + 1)); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

func number(i int) journal.Row {
	text := fmt.Sprint(i)
	return journal.Row{Values: []*string{&text}}
}

func add(t *testing.T, j journal.Journal, e *journal.Entry, k *journal.Keys) {
	t.Helper()
	if err := j.Append(t.Context(), e, k); err != nil {
		t.Fatalf("Append: %v", err)
	}
}

// list returns the IDs that f selects, in the order yielded.
func list(t *testing.T, j journal.Journal, f journal.Filter) []string {
	t.Helper()
	ids := []string{}
	for e, err := range j.Entries(t.Context(), f) {
		if err != nil {
			t.Fatalf("Entries(%+v): %v", f, err)
		}
		ids = append(ids, e.ID)
	}
	if k, ok := j.(journal.Keeper); ok {
		if n, err := k.Selected(t.Context(), f); err != nil || n != int64(len(ids)) {
			t.Errorf("Selected(%+v): %d, %v; listed are %d", f, n, err, len(ids))
		}
	}
	return ids
}

// checkNumbers fails unless the entry's rows are exactly 1 … count, in order.
func checkNumbers(ctx context.Context, j journal.Journal, id string, count int) error {
	n := 0
	for r, err := range j.Rows(ctx, id) {
		if err != nil {
			return fmt.Errorf("rows of %s after %d: %w", id, n, err)
		}
		n++
		if len(r.Values) != 1 || r.Values[0] == nil || *r.Values[0] != fmt.Sprint(n) {
			return fmt.Errorf("row %d of %s is not its number", n, id)
		}
	}
	if n != count {
		return fmt.Errorf("%s has %d rows, want %d", id, n, count)
	}
	return nil
}
