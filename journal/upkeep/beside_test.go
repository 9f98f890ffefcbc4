package upkeep_test

import (
	"bytes"
	"context"
	"io"
	"iter"
	"path/filepath"
	"testing"
	"time"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/journal/upkeep"
)

// moment is when a proxy removes what is old, of a journal that is being read.
type moment int

const (
	listed moment = 1 + iota // and not looked at yet
	amidKeys
	amidImages
	beforeImages // after the entry was looked up for them
)

// compacted is a journal in which a proxy removes what is older than 90 days, once.
type compacted struct {
	journal.Journal
	journal.Keeper
	t  *testing.T
	at moment // 0: it has
}

func (c *compacted) is(at moment) {
	if c.at != at {
		return
	}
	c.at = 0
	if done, err := upkeep.Compact(c.t.Context(), c.Journal, upkeep.Limits{Keep: 90 * 24 * time.Hour}, now, false); err != nil || done.Entries == 0 {
		c.t.Fatalf("%+v, %v", done, err)
	}
}

func (c *compacted) Entry(ctx context.Context, id string) (*journal.Entry, error) {
	c.is(listed)
	return c.Journal.Entry(ctx, id)
}

func (c *compacted) Contents(ctx context.Context, ids []string) (map[string]journal.Contents, error) {
	c.is(listed)
	all, err := c.Keeper.Contents(ctx, ids)
	for id, x := range all {
		x.Rows, x.Images = c.rows(x.Rows), c.images(x.Images)
		all[id] = x
	}
	return all, err
}

func (c *compacted) Rows(ctx context.Context, id string) iter.Seq2[journal.Row, error] {
	c.is(listed)
	return c.rows(c.Journal.Rows(ctx, id))
}

func (c *compacted) rows(all iter.Seq2[journal.Row, error]) iter.Seq2[journal.Row, error] {
	return func(yield func(journal.Row, error) bool) {
		n := 0
		for r, err := range all {
			if n++; n > 1000 { // only an entry of several blocks has so many
				c.is(amidKeys)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

func (c *compacted) Images(ctx context.Context, id string) iter.Seq2[journal.Image, error] {
	return c.images(c.Journal.Images(ctx, id))
}

func (c *compacted) images(all iter.Seq2[journal.Image, error]) iter.Seq2[journal.Image, error] {
	return func(yield func(journal.Image, error) bool) {
		for i, err := range all {
			c.is(amidImages)
			if !yield(i, err) {
				return
			}
		}
	}
}

func (c *compacted) StoredImages(ctx context.Context, id string) (*journal.ImageSet, iter.Seq2[[]byte, error], error) {
	set, blocks, err := c.Keeper.StoredImages(ctx, id)
	if set != nil && c.at == beforeImages {
		c.is(beforeImages)
		return nil, nil, nil
	}
	if set != nil {
		c.is(amidImages)
	}
	return set, blocks, err
}

// What proxies remove while a journal is read is neither damaged nor a failure.
func TestBesideCompaction(t *testing.T) {
	verify := func(j journal.Journal) (int64, error) {
		v, err := upkeep.Verify(t.Context(), j)
		if err != nil {
			return 0, err
		}
		if !v.OK() {
			t.Errorf("%+v", v)
		}
		return v.Entries, nil
	}
	export := func(j journal.Journal) (int64, error) {
		var out bytes.Buffer
		n, err := upkeep.Export(t.Context(), j, journal.Filter{}, &out)
		if err != nil {
			return n, err
		}
		done, err := upkeep.Import(t.Context(), open(t, filepath.Join(t.TempDir(), "journal"), nil), &out, t.TempDir())
		if done.Entries != n {
			t.Errorf("%d entries of the %d exported ones are imported", done.Entries, n)
		}
		return n, err
	}
	table := func(j journal.Journal) (int64, error) {
		return upkeep.ExportCSV(t.Context(), j, journal.Filter{}, io.Discard)
	}
	for name, x := range map[string]struct {
		do   func(journal.Journal) (int64, error)
		at   moment
		want int64 // entries
		more int64 // that the shared journal gives: blocks of small entries outlive them a while
	}{
		// Oldest first: 30001 keys; 40, with images; 7, which stays.
		"verify, listed":        {verify, listed, 1, 0},
		"verify, amid keys":     {verify, amidKeys, 1, 2}, // what was read of them is whole
		"verify, amid images":   {verify, amidImages, 2, 1},
		"export, listed":        {export, listed, 1, 0},
		"export, amid keys":     {export, amidKeys, 2, 0},
		"export, amid images":   {export, amidImages, 1, 1},
		"export, before images": {export, beforeImages, 1, 0},
		"CSV, listed":           {table, listed, 1, 0},
		"CSV, amid keys":        {table, amidKeys, 2, 1},
	} {
		for kind, where := range kinds(t) {
			j := open(t, where, nil)
			add(t, j, 100*24*time.Hour, journal.Committed, 30001)
			add(t, j, 99*24*time.Hour, journal.Committed, 40)
			add(t, j, time.Hour, journal.Committed, 7)
			c := &compacted{j, j.(journal.Keeper), t, x.at}
			want := x.want
			if kind == "shared" {
				want += x.more
			}
			if n, err := x.do(c); err != nil || n != want || c.at != 0 {
				t.Errorf("%s, %s: %d entries, %v, want %d", kind, name, n, err, want)
			}
		}
	}
}

// hiding is a journal with an entry that is listed, and cannot be found.
type hiding struct {
	journal.Journal
	journal.Keeper
	id string
}

func (h hiding) Entry(ctx context.Context, id string) (*journal.Entry, error) {
	if id == h.id {
		return nil, journal.NotFound(journal.AnEntry, id)
	}
	return h.Journal.Entry(ctx, id)
}

func (h hiding) Contents(ctx context.Context, ids []string) (map[string]journal.Contents, error) {
	all, err := h.Keeper.Contents(ctx, ids)
	delete(all, h.id)
	return all, err
}

func TestVerify_ListedAndNotFound(t *testing.T) {
	for kind, where := range kinds(t) {
		j := open(t, where, nil)
		e := add(t, j, time.Hour, journal.Committed, 7)
		v, err := upkeep.Verify(t.Context(), hiding{j, j.(journal.Keeper), e.ID})
		if err != nil || v.OK() || v.Damaged[0].ID != e.ID {
			t.Errorf("%s: %+v, %v", kind, v, err)
		}
	}
}
