package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/rowback/rowback/journal"
)

// keysEach is how many keys an entry of the journal's curve has.
const keysEach = 1000

// journalCurve is what a large journal costs: `rowback log`, from its start to its
// end, and the next deletion's entry.
func journalCurve(l *lab) *growth {
	return &growth{
		curve: curve{Name: "Journal size", X: "keys in the journal", Y: "ms",
			Note: fmt.Sprintf("Entries of %d keys each. rowback log lists its newest entries, rowback log ID one of them; append makes an entry of one key durable.", keysEach)},
		measure: func(ctx context.Context, c *curve) (err error) {
			dir := filepath.Join(l.dir, "journal-curve")
			have := 0
			for keys := 10_000; keys <= l.journal; keys *= 10 {
				var id string
				if id, err = l.grow(ctx, dir, (keys-have)/keysEach, c, keys); err != nil {
					return err
				}
				have = keys
				for _, what := range []struct {
					name string
					args []string
				}{{"rowback log", nil}, {"rowback log ID", []string{id}}} {
					var took []float64
					for range l.rounds {
						begun := time.Now()
						out, err := l.command(ctx, append([]string{"log", "--journal", dir, "--output", "json"}, what.args...)...).CombinedOutput()
						if err != nil {
							return fmt.Errorf("rowback log: %w\n%s", err, out)
						}
						took = append(took, float64(time.Since(begun))/float64(time.Millisecond))
					}
					c.add(what.name, float64(keys), middle(took))
				}
			}
			return nil
		},
	}
}

// grow adds entries to the journal, the last of which it names, then measures some small ones.
func (l *lab) grow(ctx context.Context, dir string, entries int, c *curve, keys int) (id string, err error) {
	j, err := journal.Open(ctx, dir, journal.Options{Proxy: "bench"})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	for range entries {
		if id, err = appended(ctx, j, keysEach); err != nil {
			return "", err
		}
	}
	var took []float64
	for range 50 {
		begun := time.Now()
		if _, err := appended(ctx, j, 1); err != nil {
			return "", err
		}
		took = append(took, float64(time.Since(begun))/float64(time.Millisecond))
	}
	c.add("append", float64(keys), middle(took))
	return id, nil
}

func appended(ctx context.Context, j journal.Journal, keys int) (id string, err error) {
	now := time.Now().UTC()
	e := &journal.Entry{ID: journal.NewID(now), Time: now, Kind: journal.Deletion, Outcome: journal.Committed, Database: "shop", User: "app", Proxy: "bench", Rows: int64(keys),
		Tables: []journal.Table{{Schema: "public", Name: "orders", Rows: int64(keys), Via: journal.Direct, KeysCaptured: true, Key: []journal.Column{{Name: "id", Type: "bigint"}}}}}
	k := j.Gather("")
	defer func() { err = errors.Join(err, k.Close()) }()
	for i := range keys {
		text := strconv.FormatInt(now.UnixMicro()%1e12+int64(i), 10)
		if err := k.Add(journal.Row{Values: []*string{&text}}); err != nil {
			return "", err
		}
	}
	return e.ID, j.Append(ctx, e, k)
}
