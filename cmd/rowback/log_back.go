package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rowback/rowback/journal"
)

// back is how much of a deletion restores have brought back, or of a restore undos
// have taken back, and not the other way round again since.
type back struct {
	Known bool    `json:"known"` // else Rows are those at least
	Rows  int64   `json:"rows"`  // of an entry of links alone: links
	Of    int64   `json:"of"`
	By    []*deed `json:"by"` // oldest first; those that brought nothing of it are left out
}

// deed is what one restore brought back of a deletion, or one undo took back of a restore.
type deed struct {
	ID    string `json:"id"`
	Rows  int64  `json:"rows"`
	Links int64  `json:"links"`
	// Undone of Rows and Links: by the restore's undos, or, of an undo's own, by restores.
	Undone   int64    `json:"undone"`
	UndoneBy []string `json:"undone_by,omitempty"`
	unsure   bool     // Rows are all that it has, which may be others' in part
}

// back says what became of e; nil: nothing, as far as the journal has it. It goes by the
// entries' numbers where these tell, else by their keys, as long as a.left allows it.
func (a *aftermath) back(ctx context.Context, e *journal.Entry) (*back, error) {
	later := a.after(e)
	if len(later) == 0 || !restorable(e) {
		return nil, nil
	}
	b := a.byNumber(e, later)
	if b == nil && !a.full {
		all, err := a.allOfAll(ctx, e, later)
		if err != nil {
			return nil, err
		}
		if all {
			n := total(e)
			b = &back{Known: true, Rows: n, Of: n}
		}
	}
	if b == nil {
		cost := e.Rows
		for _, x := range later {
			cost += x.Rows
		}
		if cost > a.left {
			return &back{Of: total(e), By: []*deed{}}, nil
		}
		a.left -= cost
		var err error
		if b, err = a.byKey(ctx, e, later); err != nil {
			return nil, err
		}
	}
	b.By = slices.DeleteFunc(append([]*deed{}, b.By...), func(d *deed) bool { return d.Rows+d.Links == 0 })
	if b.Known && b.Rows == 0 && len(b.By) == 0 {
		return nil, nil
	}
	return b, nil
}

// restorable: some row of e is known, by its key or whole.
func restorable(e *journal.Entry) bool {
	return e.Kind == journal.Restore || slices.ContainsFunc(e.Tables, func(t journal.Table) bool { return t.KeysCaptured || t.RowsCaptured })
}

func isLink(t journal.Table) bool { return t.Via == journal.SetNull || t.Via == journal.SetDef }

// numbers are the rows of e by table, or its links.
func numbers(e *journal.Entry, links bool) (of map[string]int64, all int64) {
	of = map[string]int64{}
	for _, t := range e.Tables {
		if links && isLink(t) || !links && t.Removed() {
			of[tableName(t)] += t.Rows
			all += t.Rows
		}
	}
	return of, all
}

// total is what e is measured by: its rows, or where it has none its links.
func total(e *journal.Entry) int64 {
	if _, rows := numbers(e, false); rows > 0 {
		return rows
	}
	_, links := numbers(e, true)
	return links
}

// everything is how many rows and links e is of.
func everything(e *journal.Entry) int64 {
	_, rows := numbers(e, false)
	_, links := numbers(e, true)
	return rows + links
}

// byNumber is what the numbers tell, where one restore, or the parts of one in batches,
// were of e alone and nothing else came of it but that others were undone as a whole.
// nil: they do not tell.
func (a *aftermath) byNumber(e *journal.Entry, later []*journal.Entry) *back {
	direct := a.direct(e)
	whole := map[string]string{} // what was undone, by what
	for _, u := range later {
		if slices.Contains(direct, u) {
			continue
		}
		taken := everything(u)
		for _, id := range u.Restores {
			i := slices.IndexFunc(direct, func(x *journal.Entry) bool { return x.ID == id })
			if i < 0 {
				return nil
			}
			taken -= everything(direct[i])
			whole[id] = u.ID
		}
		if taken != 0 || len(a.direct(u)) > 0 {
			return nil
		}
	}
	b := &back{Known: true, Of: total(e)}
	asked, rows := numbers(e, false)
	var last *journal.Entry
	for _, x := range direct {
		if len(x.Restores) != 1 {
			return nil
		}
		d := &deed{ID: x.ID}
		gave, _ := numbers(x, false)
		_, d.Links = numbers(x, true)
		for name, n := range gave {
			if asked[name] == 0 {
				return nil // parents, or it has another name now
			}
			d.Rows += min(n, asked[name])
		}
		if u := whole[x.ID]; u != "" {
			d.Undone, d.UndoneBy = d.Rows+d.Links, []string{u}
		} else if last != nil && (x.Batch == "" || x.Batch != last.Batch) {
			return nil // rows of the one may be those of the other
		} else {
			last = x
			b.Rows += d.Rows
			if rows == 0 {
				b.Rows += d.Links
			}
		}
		b.By = append(b.By, d)
	}
	return b
}

// allOfAll: one restore, or the parts of one, were of e with others, and brought back all of all.
func (a *aftermath) allOfAll(ctx context.Context, e *journal.Entry, later []*journal.Entry) (bool, error) {
	gave := map[string]int64{}
	for _, x := range later {
		if x.Batch != later[0].Batch || x.Batch == "" && len(later) > 1 || !slices.Contains(x.Restores, e.ID) {
			return false, nil
		}
		of, _ := numbers(x, false)
		for name, n := range of {
			gave[name] += n
		}
	}
	for _, id := range later[0].Restores {
		from, err := a.entry(ctx, id)
		if err != nil || from == nil {
			return false, err
		}
		of, _ := numbers(from, false)
		for name, n := range of {
			gave[name] -= n
		}
	}
	for _, n := range gave {
		if n != 0 {
			return false, nil
		}
	}
	return true, nil
}

// entry is the one with this ID, nil if it was removed since.
func (a *aftermath) entry(ctx context.Context, id string) (*journal.Entry, error) {
	if e, known := a.entries[id]; known {
		return e, nil
	}
	e, err := a.journal.Entry(ctx, id)
	if errors.Is(err, journal.ErrNotFound) {
		e, err = nil, nil
	}
	if err == nil {
		a.entries[id] = e
	}
	return e, err
}

// text says what d did, for people: "01JY…: 14 rows, 2 links; undone by 01JZ…".
func (d *deed) text(kind journal.Kind) string {
	var parts []string
	if d.Rows > 0 {
		parts = append(parts, countOf(d.Rows, "row"))
	}
	if d.Links > 0 {
		parts = append(parts, countOf(d.Links, "link"))
	}
	text := d.ID + ": " + strings.Join(parts, ", ")
	if d.unsure {
		text += ", which may be of others"
	}
	if d.Undone == 0 {
		return text
	}
	how := "undone by "
	if kind == journal.Restore { // d is an undo
		how = "brought back again by "
	}
	if d.Undone < d.Rows+d.Links {
		how = fmt.Sprintf("%d of them %s", d.Undone, how)
	}
	return text + "; " + how + strings.Join(d.UndoneBy, ", ")
}
