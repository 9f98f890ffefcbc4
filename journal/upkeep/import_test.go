package upkeep_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/journal/upkeep"
)

// An import that is broken off is made whole by the next one, and stays as it is then: an
// allowance that was used up and revoked must not be a live one.
func TestImport_BrokenOff(t *testing.T) {
	for name, where := range kinds(t) {
		t.Run(name, func(t *testing.T) {
			from, to := open(t, kinds(t)["embedded"], nil), open(t, where, nil)
			grant := &journal.Allowance{ID: journal.NewID(now), Time: now, Expires: now.Add(time.Hour), Rows: 10, By: "ops"}
			hold := &journal.Hold{ID: journal.NewID(now), Time: now, Expires: now.Add(time.Hour)}
			err := errors.Join(from.Grant(t.Context(), grant), from.Use(t.Context(), grant.ID, "u", 4, now), from.Use(t.Context(), grant.ID, "v", 3, now), from.Hold(t.Context(), hold))
			if err != nil {
				t.Fatal(err)
			}
			_, revoked := from.Revoke(t.Context(), grant.ID, "ops", now)
			_, denied := from.Decide(t.Context(), hold.ID, journal.Denied, "ops", "no", now)
			var out bytes.Buffer
			_, err = upkeep.Export(t.Context(), from, journal.Filter{}, &out)
			if err := errors.Join(revoked, denied, err); err != nil {
				t.Fatal(err)
			}
			for after := range 3 {
				ctx, cancel := context.WithCancel(t.Context())
				if _, err := upkeep.Import(ctx, &stopping{to, after, cancel}, bytes.NewReader(out.Bytes()), t.TempDir()); !errors.Is(err, context.Canceled) {
					t.Fatalf("after %d writes: %v", after, err)
				}
			}
			for range 2 {
				if _, err := upkeep.Import(t.Context(), to, bytes.NewReader(out.Bytes()), t.TempDir()); err != nil {
					t.Fatal(err)
				}
			}
			want, err1 := from.Allowances(t.Context(), time.Time{})
			got, err2 := to.Allowances(t.Context(), time.Time{})
			if err := errors.Join(err1, err2); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%+v, %v; want %+v", got, err, want)
			}
			wantHolds, err1 := from.Holds(t.Context(), "")
			holds, err2 := to.Holds(t.Context(), "")
			if err := errors.Join(err1, err2); err != nil || !reflect.DeepEqual(holds, wantHolds) {
				t.Errorf("%+v, %v; want %+v", holds, err, wantHolds)
			}
		})
	}
}

// stopping is interrupted after some writes.
type stopping struct {
	journal.Journal
	left int
	stop context.CancelFunc
}

func (s *stopping) wrote(err error) error {
	if s.left--; s.left < 0 {
		s.stop()
	}
	return err
}

func (s *stopping) Grant(ctx context.Context, a *journal.Allowance) error {
	return s.wrote(s.Journal.Grant(ctx, a))
}

func (s *stopping) Use(ctx context.Context, id, use string, rows int64, at time.Time) error {
	return s.wrote(s.Journal.Use(ctx, id, use, rows, at))
}

func (s *stopping) Hold(ctx context.Context, h *journal.Hold) error {
	return s.wrote(s.Journal.Hold(ctx, h))
}

// Keys that no export has are refused.
func TestImport_OddKeys(t *testing.T) {
	const entry = `{"entry":{"id":"ID","time":"2026-01-01T00:00:00Z","kind":"deletion","outcome":"committed","database":"shop","rows":1,"tables":[{"schema":"public","table":"t","rows":1,"via":"direct","keys_captured":true,"key_columns":[{"name":"id","type":"integer"}]}]}}` + "\n"
	for name, key := range map[string]string{"two values": `[0,"1","2"]`, "no value": `[0]`, "no such table": `[7,"1"]`, "a table below zero": `[-1,"1"]`} {
		for kind, where := range kinds(t) {
			j := open(t, where, nil)
			text := strings.ReplaceAll(entry+`{"keys":[`+key+`]}`+"\n"+`{"end":{"id":"ID","keys":1}}`+"\n", "ID", journal.NewID(now))
			if _, err := upkeep.Import(t.Context(), j, strings.NewReader(text), t.TempDir()); err == nil || !strings.Contains(err.Error(), "line 2") {
				t.Errorf("%s, %s: %v", kind, name, err)
			}
		}
	}
}

// What was in doubt when it was first imported ends as it has since; what has ended stays.
func TestImport_SettledSince(t *testing.T) {
	seen := journal.Server{SystemID: "7", Started: now, Timeline: 2}
	for kind, where := range kinds(t) {
		from, to := open(t, filepath.Join(t.TempDir(), "from"), nil), open(t, where, nil)
		move := func() {
			var out bytes.Buffer
			_, err := upkeep.Export(t.Context(), from, journal.Filter{}, &out)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := upkeep.Import(t.Context(), to, &out, t.TempDir()); err != nil {
				t.Fatal(err)
			}
		}
		for name, x := range map[string]struct {
			there, here journal.Outcome // settled so between two imports
			prepared    bool            // seen so there
			want        journal.Outcome
		}{
			"committed":      {there: journal.Committed, want: journal.Committed},
			"rolled back":    {there: journal.RolledBack, want: journal.RolledBack},
			"in doubt":       {want: journal.InDoubt},
			"prepared":       {prepared: true, want: journal.InDoubt},
			"here":           {here: journal.Committed, want: journal.Committed},
			"otherwise here": {there: journal.RolledBack, here: journal.Committed, want: journal.Committed},
		} {
			e := add(t, from, time.Minute, journal.InDoubt, 3)
			move()
			var err error
			if x.there != "" {
				err = from.Settle(t.Context(), e.ID, x.there)
			}
			if x.here != "" {
				err = errors.Join(err, to.Settle(t.Context(), e.ID, x.here))
			}
			var server journal.Server
			if x.prepared {
				server = seen
				err = errors.Join(err, from.Prepared(t.Context(), e.ID, seen))
			}
			if err != nil {
				t.Fatal(err)
			}
			move()
			got, err := to.Entry(t.Context(), e.ID)
			if err != nil || got.Outcome != x.want || got.Server != server {
				t.Errorf("%s, %s: %+v, %v", kind, name, got, err)
			}
		}
	}
}
