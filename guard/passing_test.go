package guard

import (
	"testing"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/proxy"
)

// What begins and ends a transaction needs no exchange while nothing is removed in it,
// and one as soon as something is.
func TestWants_TransactionControl(t *testing.T) {
	records, err := journal.Open(t.Context(), t.TempDir(), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer records.Close()
	j, err := New(t.Context(), Options{Journal: records})
	if err != nil {
		t.Fatal(err)
	}
	v := newView(&catalog.Snapshot{})
	j.database("x").view.Store(v)
	s := j.Session(t.Context(), &proxy.Info{Database: "x"}).(*session)
	defer s.Close()
	s.clean = true
	check := func(typ byte, body string, want bool, block int8) {
		t.Helper()
		if got := s.Wants(typ, []byte(body)); got != want || s.block != block {
			t.Errorf("%c %q: wanted %v, block %d; want %v, %d", typ, body, got, s.block, want, block)
		}
	}
	check('Q', "BEGIN\x00", true, 0) // not known yet
	for _, text := range []string{"BEGIN", "COMMIT", "COMMIT PREPARED 'x'"} {
		v.analyse(text, true, "UTF8")
	}
	check('Q', "BEGIN\x00", false, 0) // ReadyForQuery will tell
	check('Q', "COMMIT PREPARED 'x'\x00", true, 0)
	check('P', "c\x00COMMIT\x00\x00\x00", true, 0) // a name may be taken
	check('S', "", false, 0)
	s.stmts.set("c", &prepared{st: v.cache.get([]byte("COMMIT")).stmts[0]})
	for _, m := range []struct {
		typ   byte
		body  string
		block int8
	}{
		{'P', "\x00BEGIN\x00\x00\x00", 0}, {'B', "\x00\x00\x00\x00\x00\x00\x00\x00", 0}, {'E', "\x00\x00\x00\x00\x00", 1},
		{'B', "\x00c\x00\x00\x00\x00\x00\x00\x00", 1}, {'D', "P\x00", 1}, {'E', "\x00\x00\x00\x00\x00", -1},
		{'B', "\x00other\x00\x00\x00\x00\x00\x00\x00", -1}, {'D', "P\x00", -1}, {'E', "\x00\x00\x00\x00\x00", -1}, {'S', "", -1},
	} {
		check(m.typ, m.body, false, m.block)
	}
	check('B', "\x00c\x00\x00\x00\x00\x00\x00\x00", false, 0)
	s.tx = newTransaction(records.Gather(""), false)
	check('E', "\x00\x00\x00\x00\x00", true, 0)
	check('S', "", true, 0)
	check('Q', "COMMIT\x00", true, 0)
	check('B', "\x00c\x00\x00\x00\x00\x00\x00\x00", true, 0)
}
