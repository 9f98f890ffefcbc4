package journaltest

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/rowback/rowback/journal"
)

// hold makes one that waits from base for a minute; change may alter it.
func hold(change func(*journal.Hold)) *journal.Hold {
	h := &journal.Hold{
		Time: base, Expires: base.Add(time.Minute), Database: "shop", User: "batch", Application: "cleanup", Client: "192.0.2.7:5555", Proxy: "p1",
		SQL: "DELETE FROM \"ä\" WHERE x = '<&>\x01'", What: "DELETE would remove 50382 rows", Rows: 50382, AtLeast: true, Rule: "night", State: journal.Waiting,
	}
	if change != nil {
		change(h)
	}
	if h.ID == "" {
		h.ID = journal.NewID(h.Time)
	}
	return h
}

func wait(t *testing.T, j journal.Journal, change func(*journal.Hold)) *journal.Hold {
	t.Helper()
	h := hold(change)
	if err := j.Hold(t.Context(), h); err != nil {
		t.Fatalf("Hold: %v", err)
	}
	return h
}

func testHolds(t *testing.T, location NewLocation) {
	where := location(t)
	first := hold(func(h *journal.Hold) { h.Time = base.Add(-time.Second) })
	second, third := hold(nil), hold(nil)
	func() {
		j := open(t, where)
		// Decided is for Decide to say.
		given := *first
		given.State, given.By, given.Reason, given.Decided = journal.Granted, "me", "so", base
		for _, h := range []*journal.Hold{second, third, &given} {
			if err := j.Hold(t.Context(), h); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}()
	j := open(t, where)
	for _, state := range []journal.HoldState{"", journal.Waiting} {
		got, err := j.Holds(t.Context(), state)
		if want := []journal.Hold{*third, *second, *first}; err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: read back %+v, %v\nwant %+v", state, got, err, want)
		}
	}
	denied, err := j.Decide(t.Context(), second.ID, journal.Denied, "ops", "no", base)
	if err != nil {
		t.Fatal(err)
	}
	for state, want := range map[journal.HoldState][]journal.Hold{
		"": {*third, *denied, *first}, journal.Waiting: {*third, *first}, journal.Denied: {*denied}, journal.Granted: nil,
	} {
		if got, err := j.Holds(t.Context(), state); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v\nwant %+v", state, got, err, want)
		}
	}

	if err := j.Hold(t.Context(), second); !errors.Is(err, journal.ErrExists) {
		t.Errorf("same ID again: %v", err)
	}
	for _, bad := range []func(*journal.Hold){
		func(h *journal.Hold) { h.ID = "" },
		func(h *journal.Hold) { h.Time = time.Time{} },
		func(h *journal.Hold) { h.Expires = time.Time{} },
	} {
		h := hold(nil)
		bad(h)
		if err := j.Hold(t.Context(), h); err == nil {
			t.Errorf("held: %+v", h)
		}
	}
	for typed, want := range map[string]error{
		third.ID: nil, third.ID[:10]: journal.ErrAmbiguous, first.ID[:10]: nil, "": journal.ErrNotFound, "ZZ": journal.ErrNotFound, "%": journal.ErrNotFound,
	} {
		if h, err := j.HoldByID(t.Context(), typed); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%q: %+v, %v, want %v", typed, h, err, want)
		}
	}
	if h, err := j.HoldByID(t.Context(), second.ID); err != nil || !reflect.DeepEqual(h, denied) {
		t.Errorf("by ID: %+v, %v, want %+v", h, err, denied)
	}
}

func testDecide(t *testing.T, location NewLocation) {
	j := open(t, location(t))
	at := base.Add(time.Second)
	for _, state := range []journal.HoldState{journal.Granted, journal.Denied, journal.Expired, journal.Left} {
		h := wait(t, j, nil)
		want := *h
		want.State, want.By, want.Reason, want.Decided = state, "alice", "batch 7", at
		got, err := j.Decide(t.Context(), h.ID, state, "alice", "batch 7", at.In(time.FixedZone("", 3600)))
		if err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%s: %+v, %v\nwant %+v", state, got, err, want)
		}
		for _, again := range []journal.HoldState{state, journal.Granted, journal.Denied, journal.Expired} {
			got, err := j.Decide(t.Context(), h.ID, again, "bob", "", at.Add(time.Hour))
			if !errors.Is(err, journal.ErrDecided) || got == nil || !reflect.DeepEqual(*got, want) {
				t.Errorf("%s, then %s: %+v, %v", state, again, got, err)
			}
		}
		if got, err := j.HoldByID(t.Context(), h.ID); err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%s, read again: %+v, %v", state, got, err)
		}
	}

	// Too late: it has expired, though its proxy has not said so.
	for _, state := range []journal.HoldState{journal.Granted, journal.Denied} {
		h := wait(t, j, nil)
		got, err := j.Decide(t.Context(), h.ID, state, "alice", "", h.Expires)
		if !errors.Is(err, journal.ErrDecided) || got == nil || got.State != journal.Expired || got.By != "" || !got.Decided.Equal(h.Expires) {
			t.Errorf("%s too late: %+v, %v", state, got, err)
		}
		if stored, err := j.HoldByID(t.Context(), h.ID); err != nil || !reflect.DeepEqual(stored, got) {
			t.Errorf("%s too late, read again: %+v, %v", state, stored, err)
		}
	}
	h := wait(t, j, nil)
	if _, err := j.Decide(t.Context(), h.ID, journal.Granted, "", "", h.Expires.Add(-1)); err != nil {
		t.Errorf("at the last moment: %v", err)
	}

	h = wait(t, j, func(h *journal.Hold) { h.Time, h.ID = base.Add(time.Hour), "" })
	for typed, want := range map[string]error{"": journal.ErrNotFound, "ZZ": journal.ErrNotFound, "01": journal.ErrAmbiguous} {
		if got, err := j.Decide(t.Context(), typed, journal.Granted, "", "", at); !errors.Is(err, want) || got != nil {
			t.Errorf("%q: %+v, %v, want %v", typed, got, err, want)
		}
	}
	for _, state := range []journal.HoldState{journal.Waiting, "", "perhaps"} {
		if _, err := j.Decide(t.Context(), h.ID, state, "", "", at); err == nil || errors.Is(err, journal.ErrDecided) {
			t.Errorf("%q was taken for a decision: %v", state, err)
		}
	}
	if _, err := j.Decide(t.Context(), h.ID, journal.Granted, "", "", time.Time{}); err == nil {
		t.Error("decided at no time")
	}
	if got, err := j.Decide(t.Context(), h.ID[:10], journal.Granted, "", "", at); err != nil || got.ID != h.ID {
		t.Errorf("by prefix: %+v, %v", got, err)
	}
}

// Of many who answer at once one decides, and the others are told what.
func testDecideSideBySide(t *testing.T, location NewLocation) {
	where := location(t)
	a, b := open(t, where), open(t, where)
	for range 5 {
		h := wait(t, a, nil)
		got := make([]*journal.Hold, 8)
		errs := make([]error, len(got))
		var wg sync.WaitGroup
		for i := range got {
			wg.Go(func() {
				j, state := a, journal.Granted
				if i%2 == 0 {
					j, state = b, journal.Denied
				}
				got[i], errs[i] = j.Decide(t.Context(), h.ID, state, fmt.Sprint(i), "", base)
			})
		}
		wg.Wait()
		now, err := a.HoldByID(t.Context(), h.ID)
		if err != nil {
			t.Fatal(err)
		}
		first := 0
		for i, err := range errs {
			if err == nil {
				first++
			} else if !errors.Is(err, journal.ErrDecided) {
				t.Error(err)
			}
			if (err == nil) != (now.By == fmt.Sprint(i)) || !reflect.DeepEqual(got[i], now) {
				t.Errorf("answer %d: %v, %+v; it is %+v", i, err, got[i], now)
			}
		}
		if first != 1 {
			t.Errorf("%d of them decided", first)
		}
	}
}

func testApprovalsClosed(t *testing.T, location NewLocation) {
	j := open(t, location(t))
	a, h := grant(t, j, nil), wait(t, j, nil)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"Grant":      func() error { return j.Grant(ctx, allowance(nil)) },
		"Allowances": func() error { _, err := j.Allowances(ctx, base); return err },
		"Revoke":     func() error { _, err := j.Revoke(ctx, a.ID, "", base); return err },
		"Use":        func() error { return j.Use(ctx, a.ID, "u", 1, base) },
		"Unuse":      func() error { return j.Unuse(ctx, a.ID, "u") },
		"Hold":       func() error { return j.Hold(ctx, hold(nil)) },
		"Holds":      func() error { _, err := j.Holds(ctx, ""); return err },
		"HoldByID":   func() error { _, err := j.HoldByID(ctx, h.ID); return err },
		"Decide":     func() error { _, err := j.Decide(ctx, h.ID, journal.Granted, "", "", base); return err },
	} {
		if err := call(); !errors.Is(err, journal.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
