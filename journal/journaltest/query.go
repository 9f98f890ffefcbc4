package journaltest

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/journal"
)

func testSettle(t *testing.T, location NewLocation) {
	j := open(t, location(t))
	for _, c := range []struct {
		is, to journal.Outcome
		want   error
	}{
		{journal.InDoubt, journal.Committed, nil},
		{journal.InDoubt, journal.RolledBack, nil},
		{journal.InDoubt, journal.InDoubt, nil},
		{journal.Committed, journal.Committed, nil},
		{journal.Committed, journal.RolledBack, journal.ErrSettled},
		{journal.RolledBack, journal.Committed, journal.ErrSettled},
		{journal.Blocked, journal.Committed, journal.ErrSettled},
		{journal.Committed, journal.InDoubt, journal.ErrSettled},
	} {
		e := entry(func(e *journal.Entry) { e.Outcome = c.is })
		add(t, j, e, nil)
		if err := j.Settle(t.Context(), e.ID, c.to); !errors.Is(err, c.want) {
			t.Errorf("%s to %s: %v, want %v", c.is, c.to, err, c.want)
		}
		want := c.to
		if c.want != nil {
			want = c.is
		}
		if got, err := j.Entry(t.Context(), e.ID); err != nil || got.Outcome != want {
			t.Errorf("%s to %s: now %+v, %v", c.is, c.to, got, err)
		}
	}
	if err := j.Settle(t.Context(), "01ABSENT", journal.Committed); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("absent: %v", err)
	}
	e := entry(nil)
	add(t, j, e, nil)
	if err := j.Settle(t.Context(), e.ID, "perhaps"); err == nil {
		t.Error("an unknown outcome was taken")
	}
}

// What is known of a prepared transaction is kept with its entry, until that is settled.
func testPrepared(t *testing.T, location NewLocation) {
	j := open(t, location(t))
	e := entry(func(e *journal.Entry) { e.Outcome, e.Prepared = journal.InDoubt, "two\x01phase é" })
	add(t, j, e, nil)
	s := journal.Server{SystemID: "7", Started: time.Date(2026, 3, 1, 0, 0, 0, 123000, time.UTC), Timeline: 4}
	for range 2 {
		if err := j.Prepared(t.Context(), e.ID, s); err != nil {
			t.Fatal(err)
		}
	}
	want := *e
	want.Server = s
	same := func() {
		t.Helper()
		if got, err := j.Entry(t.Context(), e.ID); err != nil || !reflect.DeepEqual(got, &want) {
			t.Errorf("read back\n%+v, %v\nwant\n%+v", got, err, want)
		}
	}
	same()
	if err := j.Settle(t.Context(), e.ID, journal.Committed); err != nil {
		t.Fatal(err)
	}
	want.Outcome = journal.Committed
	same()
	if err := j.Prepared(t.Context(), e.ID, journal.Server{}); !errors.Is(err, journal.ErrSettled) {
		t.Errorf("settled: %v", err)
	}
	same()
	if err := j.Prepared(t.Context(), "01ABSENT", s); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("absent: %v", err)
	}
}

func testLookup(t *testing.T, location NewLocation) {
	j := open(t, location(t))
	for _, id := range []string{"01JY2MAAAA0000000000000001", "01JY2MAAAA0000000000000002", "01JY2N00000000000000000001", "01JY2"} {
		add(t, j, entry(func(e *journal.Entry) { e.ID = id }), nil)
	}
	for _, c := range []struct {
		typed, found string
		err          error
	}{
		{"01JY2MAAAA0000000000000001", "01JY2MAAAA0000000000000001", nil},
		{"01JY2N", "01JY2N00000000000000000001", nil},
		{"01jy2n", "01JY2N00000000000000000001", nil},
		{"oljy2n", "01JY2N00000000000000000001", nil},
		{"01JY2", "01JY2", nil}, // a whole ID, though others start with it
		{"01JY2M", "", journal.ErrAmbiguous},
		{"01JZ", "", journal.ErrNotFound},
		{"%", "", journal.ErrNotFound},
		{"01JY2NX", "", journal.ErrNotFound},
		{"", "", journal.ErrNotFound},
	} {
		e, err := j.Entry(t.Context(), c.typed)
		if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
			t.Errorf("%q: %v, want %v", c.typed, err, c.err)
		}
		if err == nil && e.ID != c.found {
			t.Errorf("%q found %s", c.typed, e.ID)
		}
	}
	if ids := list(t, j, journal.Filter{ID: "01JY2M"}); len(ids) != 2 {
		t.Errorf("Entries by prefix: %v", ids)
	}
}

func testFilters(t *testing.T, location NewLocation) {
	j := open(t, location(t))
	changes := map[string]func(*journal.Entry){
		"plain":       nil,
		"early":       func(e *journal.Entry) { e.Time = base.Add(-time.Hour) },
		"late":        func(e *journal.Entry) { e.Time = base.Add(time.Hour) },
		"user":        func(e *journal.Entry) { e.User = "alice" },
		"database":    func(e *journal.Entry) { e.Database = "stock" },
		"application": func(e *journal.Entry) { e.Application = "psql" },
		"proxy":       func(e *journal.Entry) { e.Proxy = "p2" },
		"kind":        func(e *journal.Entry) { e.Kind = journal.Restore },
		"outcome":     func(e *journal.Entry) { e.Outcome = journal.Blocked },
		"rows":        func(e *journal.Entry) { e.Rows = 1000 },
		"schema":      func(e *journal.Entry) { e.Tables[0].Schema = "app" },
		"second": func(e *journal.Entry) {
			e.Tables = append(e.Tables, journal.Table{Schema: "app", Name: "pay'ments"}, journal.Table{Schema: "app", Name: "pay'ments", Via: journal.Cascade})
		},
		"dotted": func(e *journal.Entry) { e.Tables[0].Name = "a.b" },
	}
	names := make(map[string]string)
	for name, change := range changes {
		e := entry(change)
		names[e.ID] = name
		add(t, j, e, nil)
	}
	all := func(but ...string) []string {
		var out []string
		for name := range changes {
			if !slices.Contains(but, name) {
				out = append(out, name)
			}
		}
		slices.Sort(out)
		return out
	}
	for _, c := range []struct {
		filter journal.Filter
		want   []string
	}{
		{journal.Filter{}, all()},
		{journal.Filter{Since: base}, all("early")},
		{journal.Filter{Since: base.Add(1)}, []string{"late"}},
		{journal.Filter{Until: base}, all("late")},
		{journal.Filter{Until: base.Add(-1)}, []string{"early"}},
		{journal.Filter{Since: base, Until: base}, all("early", "late")},
		{journal.Filter{Since: base.In(time.FixedZone("", 7200))}, all("early")},
		{journal.Filter{User: "alice"}, []string{"user"}},
		{journal.Filter{User: "Alice"}, nil},
		{journal.Filter{Database: "stock"}, []string{"database"}},
		{journal.Filter{Application: "psql"}, []string{"application"}},
		{journal.Filter{Proxy: "p2"}, []string{"proxy"}},
		{journal.Filter{Kind: journal.Restore}, []string{"kind"}},
		{journal.Filter{Outcome: journal.Blocked}, []string{"outcome"}},
		{journal.Filter{Outcome: journal.InDoubt}, all("outcome")},
		{journal.Filter{MinRows: 1000}, []string{"rows"}},
		{journal.Filter{MinRows: 1001}, nil},
		{journal.Filter{Table: "orders"}, all("dotted")},
		{journal.Filter{Table: "app.orders"}, []string{"schema"}},
		{journal.Filter{Table: "pay'ments"}, []string{"second"}},
		{journal.Filter{Table: "app.pay'ments"}, []string{"second"}},
		{journal.Filter{Table: "public.pay'ments"}, nil},
		{journal.Filter{Table: "a.b"}, []string{"dotted"}},
		{journal.Filter{Table: "public.a.b"}, []string{"dotted"}},
		{journal.Filter{Table: "order_"}, nil},
		{journal.Filter{User: "alice", Outcome: journal.Blocked}, nil},
		{journal.Filter{User: "alice", Table: "orders", MinRows: 3, Since: base}, []string{"user"}},
	} {
		var got []string
		for _, id := range list(t, j, c.filter) {
			got = append(got, names[id])
		}
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v selects %v, want %v", c.filter, got, c.want)
		}
	}
}

// Newest first, over more entries than one query reads, many of one instant.
func testOrder(t *testing.T, location NewLocation) {
	j := open(t, location(t))
	var want []string
	for i := range 700 {
		e := entry(func(e *journal.Entry) { e.Time = base.Add(time.Duration(i/300) * time.Second) })
		want = append(want, e.ID)
		add(t, j, e, nil)
	}
	slices.Reverse(want)
	if got := list(t, j, journal.Filter{Table: "orders"}); !slices.Equal(got, want) {
		t.Errorf("got %d entries, not in order of time:\n%s", len(got), strings.Join(got, "\n"))
	}
}
