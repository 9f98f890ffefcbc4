package journaltest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/journal/journals"
)

func testUse(t *testing.T, location NewLocation) {
	j := open(t, location(t))
	a := grant(t, j, nil)
	once := grant(t, j, func(a *journal.Allowance) { a.Once = true })
	huge := grant(t, j, func(a *journal.Allowance) { a.Rows = math.MaxInt64 })
	end := a.Expires
	for i, step := range []struct {
		a    *journal.Allowance
		use  string
		rows int64
		at   time.Time
		want error
	}{
		{a, "u", 60, base, nil},
		{a, "v", 41, base, journal.ErrSpent},
		{a, "v", 40, base, nil},
		{a, "w", 1, base, journal.ErrSpent},
		{a, "w", 0, base, nil},
		{a, "u", 61, base, journal.ErrSpent},
		{a, "u", 10, base.Add(time.Minute), nil}, // replaces, does not add
		{a, "u", 60, end.Add(-1), nil},
		{a, "u", 60, end, journal.ErrSpent},
		{a, "u", 1, end, journal.ErrSpent},
		{a, "x", math.MaxInt64, base, journal.ErrSpent},
		{once, "u", 60, base, nil},
		{once, "v", 1, base, journal.ErrSpent},
		{once, "v", 0, base, journal.ErrSpent},
		{once, "u", 100, base, nil},
		{once, "u", 101, base, journal.ErrSpent},
		{huge, "u", math.MaxInt64 - 1, base, nil},
		{huge, "v", math.MaxInt64, base, journal.ErrSpent},
		{huge, "v", 1, base, nil},
		{huge, "v", 2, base, journal.ErrSpent},
		{&journal.Allowance{ID: a.ID[:20]}, "u", 1, base, journal.ErrNotFound}, // no prefixes
	} {
		before, _ := j.Allowances(t.Context(), time.Time{})
		err := j.Use(t.Context(), step.a.ID, step.use, step.rows, step.at)
		if !errors.Is(err, step.want) || (err == nil) != (step.want == nil) {
			t.Errorf("step %d: %v, want %v", i, err, step.want)
		}
		if after, _ := j.Allowances(t.Context(), time.Time{}); err != nil && !reflect.DeepEqual(before, after) {
			t.Errorf("step %d: a refused use changed something", i)
		}
	}
	want := []journal.Use{{ID: "v", Time: base, Rows: 40}, {ID: "w", Time: base}, {ID: "u", Time: end.Add(-1), Rows: 60}}
	if got := granted(t, j, a.ID).Uses; !reflect.DeepEqual(got, want) {
		t.Errorf("uses %+v, want %+v", got, want)
	}
	for _, bad := range []func() error{
		func() error { return j.Use(t.Context(), a.ID, "", 0, base) },
		func() error { return j.Use(t.Context(), a.ID, "u", -1, base) },
		func() error { return j.Use(t.Context(), a.ID, "u", 0, time.Time{}) },
	} {
		if bad() == nil {
			t.Error("a use without ID, with rows below zero or without time was taken")
		}
	}

	for range 2 { // the second time there is nothing to take back
		for _, id := range []string{a.ID, once.ID, "none"} {
			if err := j.Unuse(t.Context(), id, "u"); err != nil {
				t.Errorf("Unuse: %v", err)
			}
		}
	}
	use(t, j, a.ID, "x", 60, base)
	use(t, j, once.ID, "v", 100, base)
	if err := j.Use(t.Context(), a.ID, "y", 1, base); !errors.Is(err, journal.ErrSpent) {
		t.Errorf("taken back once, it can be used twice: %v", err)
	}
}

// Transactions side by side never remove more than is allowed, and what one
// gives back another may have. The refused do not fail the entries of others.
func testUseSideBySide(t *testing.T, location NewLocation) {
	j := open(t, location(t))
	a := grant(t, j, nil)
	var mu sync.Mutex
	held := map[string]int64{} // at least this is used, until given back
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := range 40 {
				id := fmt.Sprint(n, i%5)
				rows := int64(rand.IntN(30))
				switch err := j.Use(t.Context(), a.ID, id, rows, base); {
				case err == nil:
					mu.Lock()
					held[id] = rows
					mu.Unlock()
				case !errors.Is(err, journal.ErrSpent):
					t.Errorf("Use: %v", err)
				}
				if i%3 == 0 {
					mu.Lock()
					delete(held, id)
					mu.Unlock()
					if err := j.Unuse(t.Context(), a.ID, id); err != nil {
						t.Errorf("Unuse: %v", err)
					}
				}
				if err := j.Append(t.Context(), entry(nil), nil); err != nil {
					t.Errorf("Append: %v", err)
				}
				if now := granted(t, j, a.ID); total(now.Uses) > now.Rows {
					t.Errorf("used %d of %d rows", total(now.Uses), now.Rows)
				}
			}
		})
	}
	wg.Wait()
	got := map[string]int64{}
	for _, u := range granted(t, j, a.ID).Uses {
		got[u.ID] = u.Rows
	}
	if !reflect.DeepEqual(got, held) {
		t.Errorf("uses %v, want %v", got, held)
	}
	checkExactlyLeft(t, j, a.ID)
}

// checkExactlyLeft: the uses that are listed are those that are reckoned with.
func checkExactlyLeft(t *testing.T, j journal.Journal, id string) {
	t.Helper()
	a := granted(t, j, id)
	left := a.Left(base)
	if err := j.Use(t.Context(), id, "checked", left+1, base); !errors.Is(err, journal.ErrSpent) {
		t.Errorf("one more than the %d rows left: %v", left, err)
	}
	err := j.Use(t.Context(), id, "checked", left, base)
	for errors.Is(err, journal.ErrSpent) { // a server may only now have committed what a killed process sent last
		now := granted(t, j, id)
		if now.Left(base) >= left {
			break
		}
		left = now.Left(base)
		err = j.Use(t.Context(), id, "checked", left, base)
	}
	if err != nil {
		t.Errorf("the %d rows left: %v", left, err)
	}
}

const useRole = "use "

// useChild uses seven rows of the allowance at a time, from the end of stdin
// on until it is spent, and prints a line for each time.
func useChild(id, location string) error {
	ctx := context.Background()
	j, err := journals.Open(ctx, location, journal.Options{})
	if err != nil {
		return err
	}
	defer j.Close()
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	for i := 0; ; i++ {
		use := fmt.Sprint(os.Getpid(), "/", i)
		switch err := j.Use(ctx, id, use, 7, base); {
		case errors.Is(err, journal.ErrSpent):
			return nil
		case err != nil:
			return err
		}
		fmt.Println(use)
	}
}

// Several processes use up one allowance: exactly what it has, and one for a
// single transaction exactly once.
func testUseOtherProcesses(t *testing.T, location NewLocation) {
	where := location(t)
	j := open(t, where)
	for _, c := range []struct {
		a    *journal.Allowance
		uses int
	}{
		{grant(t, j, func(a *journal.Allowance) { a.Rows = 1000 }), 142},
		{grant(t, j, func(a *journal.Allowance) { a.Once = true }), 1},
	} {
		gate, open, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		var children []*exec.Cmd
		var outputs []*bufio.Reader
		for range 4 {
			cmd, out := start(t, useRole+c.a.ID, where, gate)
			children, outputs = append(children, cmd), append(outputs, out)
		}
		gate.Close()
		open.Close()
		done := map[string]bool{}
		for i, out := range outputs {
			text, err := io.ReadAll(out)
			if err := errors.Join(err, children[i].Wait()); err != nil {
				t.Error(err)
			}
			for use := range strings.Lines(string(text)) {
				done[strings.TrimSpace(use)] = true
			}
		}
		got := granted(t, j, c.a.ID)
		if len(done) != c.uses || len(got.Uses) != c.uses {
			t.Errorf("%d uses went through, %d are listed, want %d", len(done), len(got.Uses), c.uses)
		}
		for _, u := range got.Uses {
			if !done[u.ID] {
				t.Errorf("use %s was not done", u.ID)
			}
		}
		if !c.a.Once {
			checkExactlyLeft(t, j, c.a.ID)
		}
	}
}

// A process is killed while it uses: what went through is there, and the sums agree.
func testUseKilled(t *testing.T, location NewLocation) {
	where := location(t)
	j := open(t, where)
	a := grant(t, j, func(a *journal.Allowance) { a.Rows = 1e9 })
	stored := map[string]bool{}
	for kill := range 10 {
		cmd, out := start(t, useRole+a.ID, where, nil)
		for range 1 + kill*5 {
			line, err := out.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			stored[strings.TrimSpace(line)] = true
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		rest, _ := io.ReadAll(out)
		for line := range strings.Lines(string(rest)) {
			if strings.HasSuffix(line, "\n") {
				stored[strings.TrimSpace(line)] = true
			}
		}
		_ = cmd.Wait() // killed
	}
	for _, u := range granted(t, j, a.ID).Uses {
		delete(stored, u.ID)
	}
	if len(stored) > 0 {
		t.Errorf("%d uses are lost", len(stored))
	}
	checkExactlyLeft(t, j, a.ID)
}

func total(uses []journal.Use) (rows int64) {
	for _, u := range uses {
		rows += u.Rows
	}
	return rows
}
