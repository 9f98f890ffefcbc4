package recovery

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// Plan is what a restore is about to do. It prints itself; dry run, question
// and restore come by the same one.
type Plan struct {
	IDs                  []string
	Production, Recovery string // which databases, without secrets
	Tables               []Count
	Restored             int64 // rows to be inserted
	Unrestored           []Unrestored
	Order                []string // steps of insertion
	Quiet                bool     // triggers stay quiet (session_replication_role = replica)
	WhyNotQuiet          string
	Triggers             []string // triggers that will fire all the same
	Hooks                []string // SQL of the configuration, run before and after
	Warnings             []string

	groups [][]*table
	mend   string // of WhyNotQuiet
}

// plan classifies every staged row. It must be called in the transaction.
func (r *restore) plan(ctx context.Context) (*Plan, error) {
	r.o.Progress.Start("planning", 0)
	if err := r.classify(ctx); err != nil {
		return nil, err
	}
	p := &Plan{
		IDs: r.o.Source.IDs, Production: r.production.where(), Recovery: r.source(),
		Quiet: r.replica, WhyNotQuiet: r.why, mend: r.mend, Hooks: r.o.config().hooks(), groups: components(r.tables),
	}
	if !r.inPieces { // of the whole it was asked before
		if err := r.refuseSwapped(); err != nil {
			return nil, err
		}
	}
	if err := r.refuseUnfit(ctx); err != nil {
		return nil, err
	}
	if err := r.failDifferent(); err != nil {
		return nil, err
	}
	notes, err := r.onDifferent(ctx)
	if err != nil {
		return nil, err
	}
	p.Warnings = slices.Concat(r.warnings, notes, r.locked())
	if p.Unrestored, err = r.unrestored(ctx); err != nil {
		return nil, err
	}
	p.Triggers = r.triggers() // of links, too, which are counted by now
	p.Tables = r.counts()
	for _, c := range p.Tables {
		p.Restored += c.Restored
	}
	for _, group := range p.groups {
		var names []string
		for _, t := range group {
			if t.count.Restored > 0 {
				names = append(names, t.name())
			}
		}
		if len(names) > 0 {
			p.Order = append(p.Order, strings.Join(names, " with "))
		}
	}
	return p, nil
}

// source is the recovery database, for people.
func (r *restore) source() string {
	if r.recovery == nil {
		return "(none: from the images in the journal alone)"
	}
	return r.recovery.where()
}

func (p *Plan) relinks() (n int64) {
	for _, c := range p.Tables {
		n += c.Relinked
	}
	return n
}

func (p *Plan) unmarks() (n int64) {
	for _, c := range p.Tables {
		n += c.Unmarked
	}
	return n
}

// triggers are those of production that the restore will fire.
func (r *restore) triggers() (out []string) {
	for _, t := range r.tables {
		if t.count.Restored > 0 {
			out = r.firing(out, t.live, "INSERT")
		}
		if t.count.Unmarked > 0 {
			out = r.firing(out, t.live, "UPDATE")
		}
	}
	for _, l := range r.links {
		if l.relinked > 0 {
			out = r.firing(out, l.live, "UPDATE")
		}
	}
	return out
}

// firing adds the triggers of t that event fires.
func (r *restore) firing(out []string, t *catalog.Table, event string) []string {
	hold := []*catalog.Table{t} // who has the rows, and so the triggers
	if t.Kind == 'p' {
		hold = append(hold, t.Leaves()...)
	}
	for _, x := range hold {
		for _, g := range x.Triggers {
			fires := g.Enabled == 'A' || r.replica && g.Enabled == 'R' || !r.replica && g.Enabled == 'O'
			line := fmt.Sprintf("%s on %s: %s, %s()", g.Name, display(x), g.Event, g.Function)
			if strings.HasPrefix(g.Function, "rowback.guard_link_") {
				continue // it looks at links that are cut, not mended
			}
			if fires && strings.Contains(g.Event, event) && !slices.Contains(out, line) {
				out = append(out, line)
			}
		}
	}
	return out
}

func (r *restore) blame() string { return blame(r.triggers(), r.replica, r.mend) }

// blame names the triggers that fire, for they may be why rows are not as they
// should be, and how to keep them quiet; "" if none does.
func blame(triggers []string, replica bool, mend string) string {
	if len(triggers) == 0 {
		return ""
	}
	if replica {
		mend = "disable them for the time of the restore (ALTER TABLE … DISABLE TRIGGER …)"
	}
	return "\nthese triggers fired, and may be the cause:\n  - " + strings.Join(triggers, "\n  - ") + "\nto keep them quiet, " + mend
}

// origins say of each table where its rows come from; none if all come from the
// recovery database.
func origins(counts []Count) (out []string) {
	images := int64(0)
	for _, c := range counts {
		images += c.FromImages
		var from []string
		if c.FromImages > 0 {
			from = append(from, plural(c.FromImages, "row")+" from the images in the journal")
		}
		if n := c.Restored - c.FromImages; n > 0 {
			from = append(from, plural(n, "row")+" from the recovery database")
		}
		if len(from) > 0 {
			out = append(out, journal.QuoteName(c.Schema, c.Table)+": "+strings.Join(from, ", "))
		}
	}
	if images == 0 {
		return nil
	}
	return out
}

// report is the report of a plan that was not, or is about to be, carried out.
func (p *Plan) report() *Report {
	return &Report{
		IDs: emptyNotNil(p.IDs), Tables: p.Tables, Restored: p.Restored, Unrestored: emptyNotNil(p.Unrestored),
		Checks: []Check{}, Sequences: []SequenceReport{}, Warnings: emptyNotNil(p.Warnings), Triggers: emptyNotNil(p.Triggers), DryRun: true, plan: p,
	}
}

func emptyNotNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// Write prints the plan for people.
func (p *Plan) Write(w io.Writer) {
	what := "the keys given"
	if len(p.IDs) > 0 {
		what = strings.Join(p.IDs, ", ")
	}
	fmt.Fprintf(w, "Plan to restore %s\n", what)
	fmt.Fprintf(w, "  from  recovery    %s\n  into  production  %s\n\n", p.Recovery, p.Production)
	writeCounts(w, p.Tables, "to restore")
	writeList(w, "Where the rows come from:", origins(p.Tables))
	fmt.Fprintln(w)
	if len(p.Order) > 0 {
		fmt.Fprintf(w, "Order: %s.\n", strings.Join(p.Order, ", then "))
	}
	if p.Quiet {
		fmt.Fprintln(w, "Triggers stay quiet (session_replication_role = replica); every foreign key is checked before commit.")
	} else {
		fmt.Fprintf(w, "Triggers are not kept quiet: %s.\n", p.WhyNotQuiet)
	}
	writeList(w, "These triggers will fire:", p.Triggers)
	if len(p.Triggers) > 0 && p.mend != "" {
		fmt.Fprintf(w, "  To keep them quiet, %s\n", p.mend)
	}
	writeList(w, "SQL of the configuration runs in the same transaction:", p.Hooks)
	writeList(w, "Note:", p.Warnings)
	writeUnrestored(w, p.Unrestored)
}
