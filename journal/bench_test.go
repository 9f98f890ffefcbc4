package journal

import (
	"testing"
)

func BenchmarkAppend(b *testing.B) {
	j := benchJournal(b)
	for b.Loop() {
		appendOne(b, j)
	}
}

// Sessions side by side share transactions, and so the wait for the disk.
func BenchmarkAppendParallel(b *testing.B) {
	j := benchJournal(b)
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			appendOne(b, j)
		}
	})
}

func benchJournal(b *testing.B) Journal {
	b.Helper()
	j, err := Open(b.Context(), b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { j.Close() })
	return j
}

func appendOne(b *testing.B, j Journal) {
	e := plainEntry()
	k := NewKeys("")
	if err := k.Add(Row{Values: []*string{text("42")}}); err != nil {
		b.Error(err)
	}
	if err := j.Append(b.Context(), e, k); err != nil {
		b.Error(err)
	}
	_ = k.Close()
}
