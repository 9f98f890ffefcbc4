package guard

import (
	"fmt"
	"reflect"
	"runtime"
	"testing"

	"github.com/rowback/rowback/journal"
)

// A savepoint keeps what was there when it was set, whatever comes after, and next to nothing of its own.
func TestRemovals_Savepoints(t *testing.T) {
	var r removals
	r.add("a", "DELETE 1")
	one := r.clone()
	r.add("a", "DELETE 2")
	r.add("b", "DELETE 1")
	two := r.clone()
	r.add("b", "DELETE 5")
	r.add("c", "DELETE 1")
	r = one.clone()
	r.add("d", "DELETE 1")
	for name, x := range map[string]struct {
		got  removals
		want []journal.Statement
	}{
		"first":                   {one, []journal.Statement{{SQL: "a", Tag: "DELETE 1"}}},
		"second":                  {two, []journal.Statement{{SQL: "a", Tag: "DELETE 3"}, {SQL: "b", Tag: "DELETE 1"}}},
		"taken back to the first": {r, []journal.Statement{{SQL: "a", Tag: "DELETE 1"}, {SQL: "d", Tag: "DELETE 1"}}},
	} {
		if !reflect.DeepEqual(x.got.statements(), x.want) {
			t.Errorf("%s: %v, want %v", name, x.got.statements(), x.want)
		}
	}

	marks := make([]savepoint, 0, 2*maxStatements)
	for i := range maxStatements - 1 {
		r.add(fmt.Sprint(i), "DELETE 1")
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range cap(marks) {
		r.add(fmt.Sprint(i%2), "DELETE 1")
		marks = append(marks, savepoint{removals: r.clone()})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / int64(len(marks)); each > 1<<10 {
		t.Errorf("%d bytes for each of %d savepoints", each, len(marks))
	}
	runtime.KeepAlive(marks)
}
