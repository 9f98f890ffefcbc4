package guard

import "testing"

// Who looks at the catalog and does not come back keeps the others from it for a while only.
func TestDatabase_Looks(t *testing.T) {
	d := newDatabase("x")
	take := func(now int64) (*lookTurn, bool) {
		l := d.looks(now)
		mine := l.try()
		if mine {
			l.since.Store(now)
		}
		return l, mine
	}
	first, mine := take(1)
	if _, again := take(int64(lookLong)); !mine || again {
		t.Fatal("it is not one at a time: ", mine, again)
	}
	next, mine := take(1 + int64(lookLong))
	if !mine {
		t.Fatal("nobody else may look")
	}
	first.give()
	if _, mine := take(2 + int64(lookLong)); mine {
		t.Error("who comes back after all gives another's turn away")
	}
	next.give()
	if _, mine := take(3 * int64(lookLong)); !mine {
		t.Error("a turn that was given back is kept")
	}
}
