package journal

import (
	"slices"
	"sync"
	"testing"
	"time"
)

func TestNewID_SortsByTime(t *testing.T) {
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	var ids []string
	for i := range 5000 {
		ids = append(ids, NewID(at.Add(time.Duration(i/1000)*time.Millisecond)))
	}
	if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Error("IDs do not sort by time and order of making")
	}
	for _, id := range ids {
		if len(id) != 26 || canonicalID(id) != id {
			t.Fatalf("%q is no ID", id)
		}
	}
	if earlier := NewID(at.Add(-time.Millisecond)); earlier >= ids[0] {
		t.Errorf("%s, made last for an earlier time, sorts after %s", earlier, ids[0])
	}
	if want := "01KG9YS7G0"; NewID(at)[:10] != want { // 48 bits of milliseconds in base 32
		t.Errorf("time part %s, want %s", NewID(at)[:10], want)
	}
}

func TestNewID_UniqueSideBySide(t *testing.T) {
	var mu sync.Mutex
	seen := make(map[string]bool)
	now := time.Now()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				id := NewID(now)
				mu.Lock()
				if seen[id] {
					t.Errorf("%s twice", id)
				}
				seen[id] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func TestDerivedID_SameSeedSameID(t *testing.T) {
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	id := DerivedID(at, "a")
	if id != DerivedID(at, "a") || id == DerivedID(at, "b") || len(id) != 26 || canonicalID(id) != id {
		t.Errorf("%q", id)
	}
	if id[:10] != NewID(at)[:10] {
		t.Errorf("%s does not sort by its time", id)
	}
}
