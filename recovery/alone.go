package recovery

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rowback/rowback/journal"
)

// inDatabase is the proxy of an entry that the triggers of `rowback protect` made.
const inDatabase = "in-database"

// refuseAlone refuses a restore that has neither a recovery database nor images. What
// a recovery database would not mend comes first: loading one takes long.
func (r *restore) refuseAlone(ctx context.Context) error {
	if err := r.production.load(ctx); err != nil {
		return err
	}
	if err := r.configure(ctx, r.o.config()); err != nil {
		return err
	}
	var problems, why []string
	for _, e := range r.o.Source.bare {
		problems = append(problems, unnumbered(e))
	}
	for i := range r.o.Source.Tables {
		switch st := &r.o.Source.Tables[i]; {
		case st.Rows == 0, !st.Removed(), r.skipped(st) != nil:
		case !st.KeysCaptured:
			problems = append(problems, r.withoutKeys(i, st))
		default:
			if reason := r.noImages(ctx, i, st); !slices.Contains(why, reason) {
				why = append(why, reason)
			}
		}
	}
	kind := Unfit
	if len(why) > 0 || len(problems) == 0 {
		kind = Usage
		text := "no recovery database is given: name it with --recovery"
		if len(why) > 0 {
			text += ". The journal holds the keys of these rows, not the rows themselves (" + strings.Join(why, "; ") + ")"
		}
		problems = append(problems, text)
	}
	return refuse(kind, problems...)
}

// noImages says why the journal has no images of a source table's rows.
func (r *restore) noImages(ctx context.Context, i int, st *journal.Table) string {
	var of *journal.Entry
	if i < len(r.o.Source.of) {
		of = r.o.Source.of[i]
	}
	switch {
	case st.Via == journal.SoftDelete:
		return "of a soft delete, what the row had before is not kept"
	case of != nil && of.Proxy == inDatabase:
		return "what the triggers of rowback protect record has no images"
	case of != nil && len(of.Restores) > 0:
		return "an undo keeps none" + r.deletionsOf(ctx, of)
	case st.WhyNoRows != "":
		return fmt.Sprintf("images of %s not captured: %s", sourceName(st), st.WhyNoRows)
	}
	return "see capture: rows in the rules"
}

// deletionsOf says what to restore in place of an undo: what its restores had brought back.
func (r *restore) deletionsOf(ctx context.Context, undo *journal.Entry) string {
	var ids []string
	for _, id := range undo.Restores {
		if of, err := r.o.Journal.Entry(ctx, id); err == nil { // else there is nothing to name
			ids = append(ids, of.Restores...)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	slices.Sort(ids)
	return "; restore what had removed them first: " + strings.Join(slices.Compact(ids), " ")
}
