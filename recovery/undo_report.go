package recovery

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// UndoReport is what became of every row that the restores had brought; before
// anything is written it is the plan.
type UndoReport struct {
	IDs         []string     `json:"ids"` // the restores undone
	Tables      []UndoCount  `json:"tables"`
	Removed     int64        `json:"removed"`
	Kept        []Unrestored `json:"kept"` // rows and links that stay, and why
	Checks      []Check      `json:"checks"`
	Warnings    []string     `json:"warnings"`
	Triggers    []string     `json:"triggers"`        // user triggers that fired, or would
	Bereft      []string     `json:"bereft"`          // rows removed, though those that they refer to are among Kept
	Entry       string       `json:"entry,omitempty"` // journal entry of the undo
	Seconds     float64      `json:"seconds"`
	DryRun      bool         `json:"dry_run"`
	where       string
	quiet       bool
	whyNotQuiet string
}

// UndoCount is one table's share. Requested is the sum of Removed, Gone,
// Changed and Kept.
type UndoCount struct {
	Schema    string `json:"schema"`
	Table     string `json:"table"`
	Requested int64  `json:"requested"`
	Removed   int64  `json:"removed"`
	Gone      int64  `json:"gone"`    // not there any more
	Changed   int64  `json:"changed"` // since the restore
	Kept      int64  `json:"kept"`    // for what refers to it
	Unlinked  int64  `json:"unlinked"`
	Marked    int64  `json:"marked"` // as deleted again, whose soft delete the restore had set back
}

func (r *UndoReport) count(t *catalog.Table) *UndoCount {
	for i := range r.Tables {
		if c := &r.Tables[i]; c.Schema == t.Schema && c.Table == t.Name {
			return c
		}
	}
	r.Tables = append(r.Tables, UndoCount{Schema: t.Schema, Table: t.Name})
	return &r.Tables[len(r.Tables)-1]
}

// others are the rows that stay and are changed.
func (r *UndoReport) others() (n int64) {
	for _, c := range r.Tables {
		n += c.Unlinked + c.Marked
	}
	return n
}

// Complete: nothing that the restores brought is left.
func (r *UndoReport) Complete() bool { return len(r.Kept) == 0 }

func (r *UndoReport) withdraw() {
	r.Removed = 0
	for i := range r.Tables {
		r.Tables[i].Removed, r.Tables[i].Unlinked, r.Tables[i].Marked = 0, 0, 0
	}
}

// plan counts and lists what classify found.
func (u *undo) plan(ctx context.Context) (*UndoReport, error) {
	r := &UndoReport{IDs: u.restore.o.Source.IDs, Kept: []Unrestored{}, Checks: []Check{}, Warnings: emptyNotNil(u.warnings), Bereft: []string{},
		where: u.production.where(), quiet: u.replica, whyNotQuiet: u.why}
	u.report = r
	for _, t := range u.tables {
		n, err := u.production.numbers(ctx, fmt.Sprintf(`SELECT count(*), count(*) FILTER (WHERE rowback_class = '%s'), count(*) FILTER (WHERE rowback_class = '%s'),
			count(*) FILTER (WHERE rowback_class = '%s'), count(*) FILTER (WHERE rowback_class = '%s') FROM %s`, undoRemove, undoGone, undoChanged, undoKept, t.in))
		if err != nil {
			return r, err
		}
		c := r.count(t.live)
		c.Requested, c.Removed, c.Gone, c.Changed, c.Kept = n[0], n[1], n[2], n[3], n[4]
		r.Removed += c.Removed
		if len(t.key) == 0 {
			u.listKeyless(t, c)
			continue
		}
		if err := u.list(ctx, t.live, t.key, t.key, t.in, undoReasons); err != nil {
			return r, err
		}
	}
	if err := u.sayBereft(ctx); err != nil {
		return r, err
	}
	for _, m := range u.remarks {
		if err := u.planRemark(ctx, m); err != nil {
			return r, err
		}
	}
	for _, l := range u.links {
		n, err := u.production.numbers(ctx, fmt.Sprintf("SELECT count(*), count(*) FILTER (WHERE NOT %s) FROM %s x JOIN %s l ON %s WHERE x.rowback_class = '%s'",
			u.goes(l.live, "l"), l.staged, only(l.live), l.equal("l", "x"), undoRemove))
		if err != nil {
			return r, err
		}
		l.relinked = n[0]
		r.count(l.live).Unlinked += n[1]
		if err := u.listHeld(ctx, l.live, l.key, l.keys(), l.staged); err != nil {
			return r, err
		}
		if err := u.list(ctx, l.live, l.key, l.keys(), l.staged, map[string]string{undoChanged: "its link was changed since it was restored; left as it is"}); err != nil {
			return r, err
		}
	}
	r.Triggers = emptyNotNil(u.triggers())
	return r, nil
}

// sayBereft says which rows that stay lose rows that refer to them.
func (u *undo) sayBereft(ctx context.Context) error {
	r := u.report
	for _, t := range u.tables {
		for _, ref := range t.references() {
			parent := u.byOID[ref.Parent.Root().OID]
			if parent == nil || r.count(t.live).Removed == 0 || r.count(parent.live).Changed+r.count(parent.live).Kept == 0 {
				continue
			}
			n, err := u.production.number(ctx, fmt.Sprintf(`SELECT count(*) FROM %s s JOIN %s c ON %s WHERE s.rowback_class = '%s' AND %s
				AND EXISTS (SELECT FROM %s p JOIN %s o ON %s AND o.rowback_class IN ('%s', '%s') WHERE %s)`,
				t.in, only(t.live), t.undone("c", "s"), undoRemove, ref.applies("c"),
				only(ref.Parent), parent.in, parent.undone("p", "o"), undoChanged, undoKept, ref.refers("p", ref.values("c"))))
			if err != nil {
				return err
			}
			if n > 0 {
				r.Bereft = append(r.Bereft, fmt.Sprintf("%s, %s: by %s to %s", t.name(), plural(n, "row"), ref.title(), parent.name()))
			}
		}
	}
	return nil
}

// triggers are those that the undo will fire.
func (u *undo) triggers() (out []string) {
	for _, t := range u.tables {
		if u.report.count(t.live).Removed > 0 {
			out = u.firing(out, t.live, "DELETE")
		}
	}
	for _, m := range u.remarks {
		if m.marked > 0 {
			out = u.firing(out, m.live, "UPDATE")
		}
	}
	for _, l := range u.links {
		if l.relinked > 0 {
			out = u.firing(out, l.live, "UPDATE")
		}
	}
	return out
}

func (u *undo) blame() string { return blame(u.triggers(), u.replica, u.mend) }

func (u *undo) list(ctx context.Context, live *catalog.Table, key, columns []string, from string, reasons map[string]string) error {
	for class, reason := range reasons {
		if err := u.listClass(ctx, live, key, columns, from, class, literal(reason)); err != nil {
			return err
		}
	}
	return nil
}

// listHeld lists the rows that production would not take as they were.
func (u *undo) listHeld(ctx context.Context, live *catalog.Table, key, columns []string, from string) error {
	return u.listClass(ctx, live, key, columns, from, undoHeld, "rowback_reason")
}

// listClass lists the rows of a class; reason is an SQL expression.
func (u *undo) listClass(ctx context.Context, live *catalog.Table, key, columns []string, from, class, reason string) error {
	return u.production.each(ctx, fmt.Sprintf("SELECT %s, %s FROM %s x WHERE rowback_class = '%s' ORDER BY %s",
		texts("x", columns), reason, from, class, list("x.", columns)), func(row []*string) error {
		k, err := newUnrestored(live, key, row)
		u.report.Kept = append(u.report.Kept, k)
		return err
	})
}

// WriteJSON prints the report as one line of JSON.
func (r *UndoReport) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// WriteText prints the report, or the plan, for people.
func (r *UndoReport) WriteText(w io.Writer) {
	if r.Entry == "" {
		fmt.Fprintf(w, "Plan to undo %s\n  in  production  %s\n\n", strings.Join(r.IDs, ", "), r.where)
	}
	removed := "removed"
	if r.Entry == "" {
		removed = "to remove"
	}
	rows := [][]string{{"table", "restored", removed, "gone already", "changed since", "kept", "unlinked", "marked again"}}
	for _, c := range r.Tables {
		cells := []string{journal.QuoteName(c.Schema, c.Table)}
		for _, n := range []int64{c.Requested, c.Removed, c.Gone, c.Changed, c.Kept, c.Unlinked, c.Marked} {
			cells = append(cells, grouped(n))
		}
		rows = append(rows, cells)
	}
	writeTable(w, rows)
	if !r.quiet && r.Entry == "" {
		fmt.Fprintf(w, "\nTriggers are not kept quiet: %s.\n", r.whyNotQuiet)
	}
	writeList(w, "These triggers fire:", r.Triggers)
	writeList(w, "Note:", r.Warnings)
	writeLeft(w, "Left as they are", r.Kept)
	writeList(w, "Removed all the same, though they belong to rows that are left:", r.Bereft)
	switch {
	case r.DryRun:
		fmt.Fprintln(w, "\nDry run: nothing was changed.")
	case r.Entry != "":
		var cut, marked int64
		for _, c := range r.Tables {
			cut, marked = cut+c.Unlinked, marked+c.Marked
		}
		fmt.Fprintf(w, "\n%s removed%s%s in %.1f s; on record as %s, which `rowback restore` can bring back.\n",
			plural(r.Removed, "row"), also(cut, "link", "cut again"), also(marked, "row", "marked as deleted again"), r.Seconds, r.Entry)
	case r.Removed+r.others() == 0:
		fmt.Fprintln(w, "\nNothing is left to remove.")
	}
}
