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

// A proxy asks again and again while a statement is held.
func BenchmarkHoldByID(b *testing.B) {
	j := benchJournal(b)
	h := plainHold()
	if err := j.Hold(b.Context(), h); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := j.HoldByID(b.Context(), h.ID); err != nil {
			b.Fatal(err)
		}
	}
}

// The sums are kept, not added up: a use costs the same after ten thousand others.
func BenchmarkUse_After10000(b *testing.B) {
	j := benchJournal(b)
	a := plainAllowance()
	a.Rows = 1 << 40
	if err := j.Grant(b.Context(), a); err != nil {
		b.Fatal(err)
	}
	_, err := j.(*embedded).store.Load().write.ExecContext(b.Context(), `INSERT INTO allowance_use
		WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 10000) SELECT 1, 'u' || i, 0, 0 FROM n`)
	if err != nil {
		b.Fatal(err)
	}
	for rows := int64(0); b.Loop(); rows++ { // the same number again would write nothing
		if err := j.Use(b.Context(), a.ID, "mine", rows, a.Time); err != nil {
			b.Fatal(err)
		}
	}
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
