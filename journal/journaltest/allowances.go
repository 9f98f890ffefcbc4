package journaltest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/rowback/rowback/journal"
)

// allowance makes one of 100 rows for an hour from base; change may alter it.
func allowance(change func(*journal.Allowance)) *journal.Allowance {
	a := &journal.Allowance{Time: base, Expires: base.Add(time.Hour), Rows: 100, By: "ops", Uses: []journal.Use{}}
	if change != nil {
		change(a)
	}
	if a.ID == "" {
		a.ID = journal.NewID(a.Time)
	}
	return a
}

func grant(t *testing.T, j journal.Journal, change func(*journal.Allowance)) *journal.Allowance {
	t.Helper()
	a := allowance(change)
	if err := j.Grant(t.Context(), a); err != nil {
		t.Fatalf("Grant: %v", err)
	}
	return a
}

// granted is the allowance with this ID as it is now.
func granted(t *testing.T, j journal.Journal, id string) journal.Allowance {
	t.Helper()
	all, err := j.Allowances(t.Context(), time.Time{})
	if err != nil {
		t.Fatalf("Allowances: %v", err)
	}
	for _, a := range all {
		if a.ID == id {
			return a
		}
	}
	t.Fatalf("allowance %s is gone", id)
	return journal.Allowance{}
}

func use(t *testing.T, j journal.Journal, id, use string, rows int64, at time.Time) {
	t.Helper()
	if err := j.Use(t.Context(), id, use, rows, at); err != nil {
		t.Fatalf("Use: %v", err)
	}
}

func testAllowances(t *testing.T, location NewLocation) {
	where := location(t)
	early := allowance(func(a *journal.Allowance) { a.Time = base.Add(-time.Hour) })
	full := allowance(func(a *journal.Allowance) {
		a.Once = true
		a.Database, a.User, a.Application, a.Tables = "shop", "ä'p\x01p", "x", []string{"orders", "app.*"}
		a.Reason = "GDPR <batch> 7"
	})
	func() {
		j := open(t, where)
		// The caller's instant counts, whatever its zone, and what is for others to say is not taken from it.
		given := *early
		given.Time, given.Expires = early.Time.In(time.FixedZone("", 7200)), early.Expires.In(time.FixedZone("", -7200))
		given.Revoked, given.RevokedBy, given.Uses = base, "nobody", []journal.Use{{ID: "u", Rows: 100}}
		for _, a := range []*journal.Allowance{full, &given} {
			if err := j.Grant(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}()
	j := open(t, where)
	got, err := j.Allowances(t.Context(), time.Time{})
	if want := []journal.Allowance{*full, *early}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read back %+v, %v\nwant %+v", got, err, want)
	}

	for name, bad := range map[string]func(*journal.Allowance){
		"no ID":      func(a *journal.Allowance) { a.ID = "" },
		"no time":    func(a *journal.Allowance) { a.Time = time.Time{} },
		"no end":     func(a *journal.Allowance) { a.Expires = time.Time{} },
		"for ever":   func(a *journal.Allowance) { a.Expires = base.AddDate(1000, 0, 0) },
		"no rows":    func(a *journal.Allowance) { a.Rows = 0 },
		"minus rows": func(a *journal.Allowance) { a.Rows = -1 },
	} {
		a := allowance(nil)
		bad(a)
		if err := j.Grant(t.Context(), a); err == nil {
			t.Errorf("%s: granted", name)
		}
	}
	again := *full
	again.Rows = 7
	if err := j.Grant(t.Context(), &again); !errors.Is(err, journal.ErrExists) {
		t.Errorf("same ID again: %v", err)
	}
	if got := granted(t, j, full.ID); got.Rows != 100 {
		t.Error("a refused grant changed the allowance")
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.Grant(cancelled, allowance(nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := j.Allowances(cancelled, time.Time{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if all, err := j.Allowances(t.Context(), time.Time{}); err != nil || len(all) != 2 {
		t.Errorf("%d allowances, %v", len(all), err)
	}
	testLive(t, j)
}

// Live are those that Left says something is left of, and no others.
func testLive(t *testing.T, j journal.Journal) {
	part := grant(t, j, nil)
	use(t, j, part.ID, "u", 99, base)
	whole := grant(t, j, nil)
	use(t, j, whole.ID, "u", 40, base)
	use(t, j, whole.ID, "v", 60, base)
	freed := grant(t, j, nil)
	use(t, j, freed.ID, "u", 100, base)
	once := grant(t, j, func(a *journal.Allowance) { a.Once = true })
	use(t, j, once.ID, "u", 1, base)
	onceFree := grant(t, j, func(a *journal.Allowance) { a.Once = true })
	use(t, j, onceFree.ID, "u", 100, base)
	for _, a := range []*journal.Allowance{freed, onceFree} {
		if err := j.Unuse(t.Context(), a.ID, "u"); err != nil {
			t.Fatal(err)
		}
	}
	revoked := grant(t, j, nil)
	if _, err := j.Revoke(t.Context(), revoked.ID, "ops", base); err != nil {
		t.Fatal(err)
	}
	grant(t, j, func(a *journal.Allowance) { a.Expires = base.Add(2 * time.Hour) })
	all, err := j.Allowances(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	counts := map[time.Duration]int{}
	for _, after := range []time.Duration{0, time.Hour - 1, time.Hour, 2*time.Hour - 1, 2 * time.Hour} {
		now := base.Add(after)
		want := []journal.Allowance(nil)
		for _, a := range all {
			if a.Left(now) > 0 {
				want = append(want, a)
			}
		}
		got, err := j.Allowances(t.Context(), now)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("live after %v: %+v, %v\nwant %+v", after, got, err, want)
		}
		counts[after] = len(got)
	}
	if want := (map[time.Duration]int{0: 6, time.Hour - 1: 6, time.Hour: 1, 2*time.Hour - 1: 1, 2 * time.Hour: 0}); !reflect.DeepEqual(counts, want) {
		t.Errorf("live: %v, want %v", counts, want)
	}
}

func testRevoke(t *testing.T, location NewLocation) {
	j := open(t, location(t))
	a := grant(t, j, func(a *journal.Allowance) { a.ID = "01JY2M00000000000000000001" })
	b := grant(t, j, func(a *journal.Allowance) { a.ID = "01JY2M00000000000000000002" })
	use(t, j, a.ID, "u", 30, base)
	for typed, want := range map[string]error{"": journal.ErrNotFound, "01JZ": journal.ErrNotFound, "%": journal.ErrNotFound, "01JY2M": journal.ErrAmbiguous} {
		if _, err := j.Revoke(t.Context(), typed, "ops", base); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", typed, err, want)
		}
	}
	at := base.Add(time.Minute)
	got, err := j.Revoke(t.Context(), "o1jy2m0000000000000000000l", "alice", at)
	if err != nil || got.ID != a.ID || got.RevokedBy != "alice" || !got.Revoked.Equal(at) || len(got.Uses) != 1 {
		t.Fatalf("revoked: %+v, %v", got, err)
	}
	again, err := j.Revoke(t.Context(), a.ID, "bob", at.Add(time.Minute))
	if err != nil || !reflect.DeepEqual(again, got) || !reflect.DeepEqual(granted(t, j, a.ID), *got) {
		t.Errorf("revoked again: %+v, %v", again, err)
	}
	for _, rows := range []int64{0, 10, 30, 40} {
		if err := j.Use(t.Context(), a.ID, "u", rows, base); !errors.Is(err, journal.ErrSpent) {
			t.Errorf("use after revocation: %v", err)
		}
	}
	if err := j.Unuse(t.Context(), a.ID, "u"); err != nil {
		t.Error(err)
	}
	if got := granted(t, j, a.ID); len(got.Uses) != 0 || got.Revoked.IsZero() {
		t.Errorf("after Unuse: %+v", got)
	}
	if got := granted(t, j, b.ID); !got.Revoked.IsZero() {
		t.Error("another one was revoked too")
	}
	if _, err := j.Revoke(t.Context(), b.ID, "ops", time.Time{}); err == nil {
		t.Error("revoked at no time")
	}
}
