package pgjournal_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

func one(rows int64) []journal.Count {
	return []journal.Count{{Rule: "r", Key: "r\x000", Per: time.Hour, Rows: rows}}
}

func counted(t *testing.T, f journal.Fleet, tx string, rows, want int64) {
	t.Helper()
	if sums, err := f.Count(t.Context(), tx, one(rows)); err != nil || !slices.Equal(sums, []int64{want}) {
		t.Errorf("%s counts %d: %v, %v, want %d", tx, rows, sums, err, want)
	}
}

func TestCount(t *testing.T) {
	url := pgtest.Shared(t).URL(pgtest.Database(t))
	a, b := openAt(t, url, journal.Options{Proxy: "a"}).(journal.Fleet), openAt(t, url, journal.Options{Proxy: "b"}).(journal.Fleet)
	ctx := t.Context()
	counted(t, a, "1", 5, 5)
	counted(t, b, "2", 7, 12)
	counted(t, a, "1", 6, 13) // in place of 5
	if err := errors.Join(a.EndCount(ctx, "1", true), b.EndCount(ctx, "2", false), a.EndCount(ctx, "1", true)); err != nil {
		t.Fatal(err)
	}
	counted(t, b, "3", 1, 7)
	counted(t, b, "3", 0, 6)
	sums, err := b.Count(ctx, "4", []journal.Count{
		{Rule: "r", Key: "r\x00", Per: time.Hour, Rows: 1}, {Rule: "r", Key: "r\x000", Per: time.Minute, Rows: 2}, {Rule: "r", Key: "r\x000", Per: time.Hour, Rows: 3},
	})
	if err != nil || !slices.Equal(sums, []int64{1, 2, 9}) {
		t.Errorf("three at once: %v, %v", sums, err)
	}
	if err := b.EndCount(ctx, "4", true); err != nil {
		t.Fatal(err)
	}
	counted(t, a, "5", 0, 9)

	// What is older than the window counts no more, and is forgotten.
	pgtest.Exec(t, url, "UPDATE rowback_journal.count_past SET upto = upto - interval '1 hour 2 minutes'")
	counted(t, a, "5", 0, 0)
	if err := a.KeepCounts(ctx, []string{"5"}); err != nil {
		t.Fatal(err)
	}
	if n := number(t, url, "SELECT count(*) FROM rowback_journal.count_past"); n != 0 {
		t.Errorf("%d counts are kept", n)
	}
}

// Those who count at the same time see each other: of all sums one is the whole.
func TestCount_SideBySide(t *testing.T) {
	url := pgtest.Shared(t).URL(pgtest.Database(t))
	a, b := openAt(t, url, journal.Options{Proxy: "a"}).(journal.Fleet), openAt(t, url, journal.Options{Proxy: "b"}).(journal.Fleet)
	for round := range 10 {
		got := make([]int64, 8)
		var wg sync.WaitGroup
		for i := range got {
			wg.Go(func() {
				f := a
				if i%2 == 0 {
					f = b
				}
				sums, err := f.Count(t.Context(), fmt.Sprint(round, i), []journal.Count{{Rule: "r", Key: fmt.Sprint("r", round), Per: time.Hour, Rows: 1}})
				if err != nil {
					t.Error(err)
					return
				}
				got[i] = sums[0]
			})
		}
		wg.Wait()
		slices.Sort(got)
		if !slices.Equal(got, []int64{1, 2, 3, 4, 5, 6, 7, 8}) {
			t.Errorf("sums %v", got)
		}
	}
}

// What a proxy that died had under way counts as committed; so does what one that
// lives does not know of any more.
func TestCount_LeftBehind(t *testing.T) {
	url := pgtest.Shared(t).URL(pgtest.Database(t))
	a, dead := openAt(t, url, journal.Options{Proxy: "a"}), openAt(t, url, journal.Options{Proxy: "dead"})
	f := a.(journal.Fleet)
	counted(t, f, "mine", 1, 1)
	counted(t, f, "forgotten", 2, 3)
	counted(t, dead.(journal.Fleet), "theirs", 4, 7)
	dead.Close()
	eventually(t, "death", func() bool { alive, err := f.Alive(t.Context()); return err == nil && !alive["dead"] })
	if err := f.KeepCounts(t.Context(), []string{"mine"}); err != nil {
		t.Fatal(err)
	}
	if n := number(t, url, "SELECT count(*) FROM rowback_journal.count_pending"); n != 2 {
		t.Errorf("%d are under way; what has just begun is not forgotten", n)
	}
	pgtest.Exec(t, url, "UPDATE rowback_journal.count_pending SET at = at - interval '1 minute'")
	if err := f.KeepCounts(t.Context(), []string{"mine"}); err != nil {
		t.Fatal(err)
	}
	if n := number(t, url, "SELECT count(*) FROM rowback_journal.count_pending"); n != 1 {
		t.Errorf("%d are under way", n)
	}
	counted(t, f, "next", 0, 7)
}

func TestRecount(t *testing.T) {
	url := pgtest.Shared(t).URL(pgtest.Database(t))
	f := openAt(t, url, journal.Options{Proxy: "a"}).(journal.Fleet)
	past := func(at time.Time, rows ...int64) func() ([]journal.PastCount, error) {
		return func() (out []journal.PastCount, err error) {
			for _, n := range rows {
				out = append(out, journal.PastCount{Count: one(n)[0], At: at})
			}
			return out, nil
		}
	}
	counted(t, f, "1", 100, 100)
	if err := f.EndCount(t.Context(), "1", true); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, url, "UPDATE rowback_journal.count_past SET upto = upto - interval '5 minutes'")
	for range 2 {
		if err := f.Recount(t.Context(), []string{"r"}, past(time.Now().Add(-10*time.Minute), 3, 4)); err != nil {
			t.Fatal(err)
		}
		counted(t, f, "2", 0, 7) // in place of the 100
	}
	if err := f.Recount(t.Context(), []string{"other"}, past(time.Now())); err != nil {
		t.Fatal(err)
	}
	counted(t, f, "2", 0, 7)
	// What ends while the past is read stays.
	if err := f.Recount(t.Context(), []string{"r"}, func() ([]journal.PastCount, error) {
		counted(t, f, "3", 50, 57)
		return nil, f.EndCount(t.Context(), "3", true)
	}); err != nil {
		t.Fatal(err)
	}
	counted(t, f, "2", 0, 50)
}
