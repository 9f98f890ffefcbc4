package journaltest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"sync"
	"testing"

	"github.com/rowback/rowback/journal"
)

func testAppend(t *testing.T, location NewLocation) {
	where := location(t)
	full := entry(func(e *journal.Entry) {
		e.Alert = "over the limit"
		e.Rule = "night"
		e.Allowed = []journal.Allowed{
			{By: "ops", How: "allowance", ID: "01JY2M00000000000000000001", Rows: 3, Reason: "GDPR <batch> 7"},
			{By: "batch", How: "comment", Rows: 1},
		}
		e.Statements = append(e.Statements, journal.Statement{SQL: "DELETE FROM \"ä\" WHERE x = '<&>\x01'"})
		e.Tables = append(e.Tables, journal.Table{
			Schema: "app", Name: "notes", OID: 16500, Rows: 1, Via: journal.SetNull, KeysCaptured: true,
			Key: []journal.Column{{Name: "a", Type: "text"}, {Name: "b", Type: "uuid"}},
			Old: []journal.Column{{Name: "order_id", Type: "bigint"}},
		}, journal.Table{Schema: "app", Name: "audit", Rows: 7, Via: journal.Function, Why: "no primary key"})
	})
	bare := &journal.Entry{ID: journal.NewID(base), Time: base, Kind: journal.Restore, Outcome: journal.Committed, Restores: []string{full.ID}}

	k := journal.NewKeys("")
	defer k.Close()
	long, empty, odd := string(make([]byte, 300_000)), "", "a\x00\xff'\""
	rows := []journal.Row{
		number(1),
		{Table: 1, Values: []*string{&odd, nil, &long}},
		number(2),
		{Table: 1, Values: []*string{&empty, &empty, nil}},
	}
	for _, r := range rows {
		if err := k.Add(r); err != nil {
			t.Fatal(err)
		}
	}

	func() {
		j := open(t, where)
		add(t, j, full, k)
		add(t, j, bare, nil)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}()

	j := open(t, where)
	got, err := j.Entry(t.Context(), full.ID)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, full) {
		t.Errorf("read back\n%+v\nwant\n%+v", got, full)
	}
	got, err = j.Entry(t.Context(), bare.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.Statements == nil || got.Tables == nil || len(got.Tables) != 0 || !got.Time.Equal(base) {
		t.Errorf("bare entry: %+v", got)
	}
	var back []journal.Row
	for r, err := range j.Rows(t.Context(), full.ID) {
		if err != nil {
			t.Fatal(err)
		}
		back = append(back, r)
	}
	if !reflect.DeepEqual(back, rows) {
		t.Errorf("read back %d rows, not the %d stored", len(back), len(rows))
	}
	for range j.Rows(t.Context(), bare.ID) {
		t.Error("an entry without keys has rows")
	}
	for _, err := range j.Rows(t.Context(), "ZZ") {
		if !errors.Is(err, journal.ErrNotFound) {
			t.Errorf("Rows of no entry: %v", err)
		}
	}
	if k.Len() != 4 {
		t.Error("Append changed the caller's keys")
	}
}

// A refused entry leaves nothing, and does not disturb those stored with it.
func testAppendRefused(t *testing.T, location NewLocation) {
	j := open(t, location(t))
	e := entry(nil)
	add(t, j, e, keys(t, 1))
	if err := j.Append(t.Context(), e, keys(t, 2)); !errors.Is(err, journal.ErrExists) {
		t.Errorf("same ID again: %v", err)
	}
	if err := checkNumbers(t.Context(), j, e.ID, 1); err != nil {
		t.Error(err)
	}
	none := entry(func(e *journal.Entry) { e.Tables = nil })
	if err := j.Append(t.Context(), none, keys(t, 1)); err == nil {
		t.Error("keys of a table that the entry does not name were taken")
	}
	if err := j.Append(t.Context(), &journal.Entry{Time: base}, nil); err == nil {
		t.Error("an entry without ID was taken")
	}

	var wg sync.WaitGroup
	bad, good := make([]error, 20), make([]error, 20)
	for i := range bad {
		wg.Go(func() { bad[i] = j.Append(t.Context(), e, nil) })
		wg.Go(func() { good[i] = j.Append(t.Context(), entry(nil), nil) })
	}
	wg.Wait()
	for i := range bad {
		if !errors.Is(bad[i], journal.ErrExists) || good[i] != nil {
			t.Errorf("side by side: duplicate %v, new %v", bad[i], good[i])
		}
	}
	if n := len(list(t, j, journal.Filter{})); n != 21 {
		t.Errorf("%d entries, want 21", n)
	}
}

func testConcurrent(t *testing.T, location NewLocation) {
	j := open(t, location(t))
	const writers, each = 8, 25
	var wg sync.WaitGroup
	errs := make(chan error, writers*each)
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				e := entry(nil)
				k := journal.NewKeys("")
				for n := range i * 50 {
					_ = k.Add(number(n + 1))
				}
				err := j.Append(t.Context(), e, k)
				k.Close()
				if err == nil {
					err = checkNumbers(t.Context(), j, e.ID, i*50)
				}
				if err == nil && w%2 == 0 {
					err = j.Settle(t.Context(), e.ID, journal.Committed)
				}
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	if n := len(list(t, j, journal.Filter{Outcome: journal.Committed})); n != writers*each/2 {
		t.Errorf("%d settled, want %d", n, writers*each/2)
	}
	// A listing may be left early, and other reads may go on inside it.
	for e, err := range j.Entries(t.Context(), journal.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := j.Entry(t.Context(), e.ID); err != nil {
			t.Fatal(err)
		}
		add(t, j, entry(nil), nil)
		break
	}
}

func testCancel(t *testing.T, location NewLocation) {
	j := open(t, location(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.Append(ctx, entry(nil), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Append: %v", err)
	}
	for _, err := range j.Entries(ctx, journal.Filter{}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Entries: %v", err)
		}
	}
	if ids := list(t, j, journal.Filter{}); len(ids) != 0 {
		t.Errorf("a cancelled Append stored %v", ids)
	}
}

// A million keys pass through in memory that does not grow with them.
func testBigKeys(t *testing.T, location NewLocation) {
	const count, most = 1_000_000, 8 << 20
	j := open(t, location(t))
	before := liveHeap()
	k := keys(t, count)
	if grown := int64(liveHeap()) - int64(before); grown > most {
		t.Errorf("Keys of %d rows take %d bytes", count, grown)
	}
	e := entry(func(e *journal.Entry) { e.Rows = count })
	add(t, j, e, k)
	n := 0
	for r, err := range j.Rows(t.Context(), e.ID) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; *r.Values[0] != fmt.Sprint(n) {
			t.Fatalf("row %d is %s", n, *r.Values[0])
		}
		if n == count/2 {
			if grown := int64(liveHeap()) - int64(before); grown > most {
				t.Errorf("half way through reading, %d bytes more are in use", grown)
			}
		}
	}
	if n != count {
		t.Errorf("%d rows, want %d", n, count)
	}
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func testClosed(t *testing.T, location NewLocation) {
	j := open(t, location(t))
	e := entry(nil)
	add(t, j, e, nil)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Append(t.Context(), entry(nil), nil); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("Append: %v", err)
	}
	if err := j.Settle(t.Context(), e.ID, journal.Committed); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("Settle: %v", err)
	}
	if _, err := j.Entry(t.Context(), e.ID); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("Entry: %v", err)
	}
}
