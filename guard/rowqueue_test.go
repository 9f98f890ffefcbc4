package guard

import (
	"testing"

	"github.com/rowback/rowback/internal/budget"
)

// A client that fetches rows one by one keeps no room between, and no file after the last one.
func TestRowQueue_Rests(t *testing.T) {
	const long = rowQueueMemory + 1
	m := budget.New(2 * long)
	q := rowQueue{of: m.Share(nil)}
	for range 2 {
		if err := q.add(make([]byte, long)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if row, ok, err := q.next(); len(row) != long || !ok || err != nil || m.Used() == 0 {
			t.Fatal(len(row), ok, err, m.Used())
		}
		if q.rests(); m.Used() != 0 {
			t.Errorf("%d bytes are kept", m.Used())
		}
	}
	if q.file != nil {
		t.Error("its file stays open")
	}
	if _, ok, err := q.next(); ok || err != nil {
		t.Error("there is one more", err)
	}
	q.close()
}
