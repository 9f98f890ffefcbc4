package e2e

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/model"
	"github.com/rowback/rowback/internal/pgtest"
)

// What the proxy captures of a random incident, in a schema of every shape,
// leads a restore to where an oracle says, and its undo back again.
// SEEDS=from-to runs other seeds.
func TestRandomIncidents_ThroughTheProxy(t *testing.T) {
	from, to := uint64(1001), uint64(1003)
	if text := os.Getenv("SEEDS"); text != "" {
		first, last, ok := strings.Cut(text, "-")
		if !ok {
			last = first
		}
		var err [2]error
		from, err[0] = strconv.ParseUint(first, 10, 64)
		to, err[1] = strconv.ParseUint(last, 10, 64)
		if err[0] != nil || err[1] != nil {
			t.Fatalf("SEEDS: %v", err)
		}
	}
	for seed := from; seed <= to; seed++ {
		t.Run("seed "+strconv.FormatUint(seed, 10), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 2))
			m := model.New(r)
			s := newShop(t, m.SQL()...)
			read := func(url string) model.State {
				state, err := m.Read(context.Background(), url)
				if err != nil {
					t.Fatal(err)
				}
				return state
			}
			pgtest.Exec(t, s.direct, m.Mischief(r, r.IntN(8))...)
			story := model.Story{Backup: read(s.backup), Start: read(s.direct)}
			s.incident(m.Incident(r))
			story.Left = read(s.direct)
			pgtest.Exec(t, s.direct, m.Mischief(r, r.IntN(25))...)
			story.Now = read(s.direct)
			ids := s.deletions()
			if len(ids) == 0 {
				for _, d := range model.Differ(story.Left, story.Start) {
					t.Errorf("not on record: %s", d)
				}
				return
			}
			out, stderr, code := s.try(append([]string{"restore", "--yes", "--output", "json", "--production", s.direct, "--recovery", s.backup}, ids...)...)
			if code != 0 && code != 3 {
				t.Fatalf("exit code %d: %s", code, stderr)
			}
			for _, d := range model.Differ(read(s.direct), m.Oracle(story)) {
				t.Error(d)
			}
			var report struct{ Entry string }
			if err := json.Unmarshal([]byte(out), &report); err != nil {
				t.Fatal(err)
			}
			if report.Entry != "" {
				s.rowback(0, "restore", "--undo", report.Entry, "--yes", "--production", s.direct)
				for _, d := range model.Differ(read(s.direct), story.Now) {
					t.Errorf("after the undo: %s", d)
				}
			}
			if t.Failed() {
				t.Logf("again: SEEDS=%d go test ./internal/e2e -run RandomIncidents\n%s", seed, strings.Join(m.SQL(), ";\n"))
			}
		})
	}
}

// incident runs statements through the proxy, each by itself; one may fail.
func (s *shop) incident(statements []string) {
	s.t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.production)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil && !strings.Contains(err.Error(), "23503") { // what is still referred to
			s.t.Errorf("%s: %v", sql, err)
		}
	}
}

// deletions are the IDs of those that committed.
func (s *shop) deletions() (ids []string) {
	s.t.Helper()
	for line := range strings.Lines(s.rowback(0, "log", "--output", "json", "--kind", "deletion", "--outcome", "committed")) {
		var e struct{ ID string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			s.t.Fatal(err)
		}
		ids = append(ids, e.ID)
	}
	return ids
}
