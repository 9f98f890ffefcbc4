package guard

import (
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

func benchWants(b *testing.B, typ byte, body []byte) {
	journal, err := journal.Open(b.Context(), b.TempDir(), journal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer journal.Close()
	j, err := New(b.Context(), Options{Journal: journal})
	if err != nil {
		b.Fatal(err)
	}
	s := j.Session(b.Context(), proxy.Info{Database: "bench"})
	j.database("bench").view.Store(newView(&catalog.Snapshot{}))
	if s.Wants(typ, body) {
		b.Fatal("a plain message is wanted")
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Wants(typ, body)
	}
}
