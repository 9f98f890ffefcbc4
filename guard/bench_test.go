package guard

import (
	"bytes"
	"testing"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/proxy"
)

// What the guard costs a message that it has nothing to do with.

func BenchmarkWants_Query(b *testing.B) {
	benchWants(b, 'Q', []byte("SELECT abalance FROM pgbench_accounts WHERE aid = 4242;\x00"))
}

func BenchmarkWants_Parse(b *testing.B) {
	benchWants(b, 'P', []byte("stmt\x00SELECT abalance FROM pgbench_accounts WHERE aid = $1\x00\x00\x00"))
}

func BenchmarkWants_Bind(b *testing.B) {
	benchWants(b, 'B', []byte("\x00stmt\x00\x00\x00\x00\x01\x00\x00\x00\x044242\x00\x00"))
}

func benchSession(b *testing.B) *session {
	journal, err := journal.Open(b.Context(), b.TempDir(), journal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { journal.Close() })
	j, err := New(b.Context(), Options{Journal: journal})
	if err != nil {
		b.Fatal(err)
	}
	s := j.Session(b.Context(), &proxy.Info{Database: "bench"}).(*session)
	j.database("bench").view.Store(newView(&catalog.Snapshot{}))
	return s
}

func benchWants(b *testing.B, typ byte, body []byte) {
	s := benchSession(b)
	if s.Wants(typ, body) {
		b.Fatal("a plain message is wanted")
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Wants(typ, body)
	}
}

// What a DELETE costs that was seen before, up to the point where the guard knows
// which table it is for: no more than this is the guard's own thinking.
func BenchmarkVerdict_CachedDelete(b *testing.B) {
	s := benchSession(b)
	text := []byte("DELETE FROM orders WHERE id = 42")
	body := append(bytes.Clone(text), 0)
	w := settings{}
	if !s.Wants('Q', body) {
		b.Fatal("the guard does not want it")
	}
	a, err := s.analyse(b.Context(), w, text)
	if err != nil || len(a.stmts) != 1 {
		b.Fatalf("%v, %v", a, err)
	}
	s.targets.put(a.stmts[0], s, meaning{table: &catalog.Table{Name: "orders"}})
	b.ReportAllocs()
	for b.Loop() {
		if !s.Wants('Q', body) {
			b.Fatal("the guard does not want it")
		}
		a, err := s.analyse(b.Context(), w, text)
		if err != nil || a.stmts[0].route != routeCapture || s.targets.get(a.stmts[0], s).table == nil {
			b.Fatal("it is not known")
		}
	}
}

// settings is a wire of which only the settings are asked.
type settings struct{ proxy.Wire }

func (settings) Parameter(name string) string {
	return map[string]string{"standard_conforming_strings": "on", "client_encoding": "UTF8"}[name]
}
