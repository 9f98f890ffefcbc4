package recovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// runPieces restores in several transactions: one for each step of the plan's
// order, and several for a step of one table with more rows than Options.Batch,
// unless they may refer to each other. Each is planned anew, verified and put on
// record by itself, and leaves production whole: parents come first.
//
// After a stop the same restore goes on where this one ended: what is back
// already is found to be there.
func (r *restore) runPieces(ctx context.Context, plan *Plan) (*Report, error) {
	r.inPieces = true
	total := plan.report()
	total.DryRun, total.Restored, total.Unrestored = false, 0, emptyNotNil(slices.Clone(r.lost))
	for i := range total.Tables {
		c := &total.Tables[i]
		*c = Count{Schema: c.Schema, Table: c.Table, Requested: c.Requested, Parents: c.Parents}
	}
	for _, o := range r.outside {
		total.count(o.Schema, o.Table).Filtered += o.Filtered
	}
	tables, links := r.tables, r.links
	r.lost, r.outside, r.links, r.waiting = nil, nil, nil, links
	for _, group := range plan.groups {
		r.tables = group
		if err := r.group(ctx, total, group); err != nil {
			return total, partly(total, err)
		}
		for _, t := range group {
			t.done = true
		}
		total.Checks = append(total.Checks, r.analyze(ctx)...)
	}
	r.tables, r.links, r.waiting = nil, links, nil
	if len(links) > 0 {
		if err := r.piece(ctx, total); err != nil {
			return total, partly(total, err)
		}
	}
	r.tables = tables
	if len(total.Checks) == 0 {
		total.Checks = append(total.Checks, nothingToWrite)
	}
	return total, nil
}

var nothingToWrite = Check{Name: "nothing to write", OK: true, Detail: "no row was absent"}

// partly says of an error that what came before it stays.
func partly(total *Report, err error) error {
	if len(total.Entries) == 0 {
		return err
	}
	return fmt.Errorf("%w: %s back and on record; run the same restore again to go on: %w", ErrPartly, plural(total.Restored, "row"), err)
}

// group restores the tables of one step.
func (r *restore) group(ctx context.Context, total *Report, group []*table) error {
	t := group[0]
	selfish := slices.ContainsFunc(t.references(), func(ref reference) bool { return ref.Parent.Root() == t.live })
	if len(group) > 1 || selfish || len(t.key) == 0 { // without a key rows of one piece look like those of another
		return r.piece(ctx, total)
	}
	n, err := r.production.numbers(ctx, fmt.Sprintf("SELECT count(*), pg_relation_size(%s::regclass) / current_setting('block_size')::int FROM %s", literal(t.in), t.in))
	if err != nil {
		return err
	}
	rows, pages := n[0], n[1]
	pieces := min((rows+r.o.Batch-1)/r.o.Batch, pages)
	if pieces <= 1 {
		return r.piece(ctx, total)
	}
	in, left := t.in, t.left
	defer func() { t.in, t.left = in, left }()
	restored := int64(0)
	for i := range pieces {
		// A range of pages, found without reading the others. What was known to
		// stay out goes with the first piece.
		err := r.production.exec(ctx, fmt.Sprintf(`
			DROP TABLE IF EXISTS pg_temp.rowback_piece, pg_temp.rowback_piece_left;
			CREATE TEMP TABLE rowback_piece AS SELECT * FROM %s WHERE ctid >= '(%d,0)' AND ctid < '(%d,0)';
			CREATE TEMP TABLE rowback_piece_left AS SELECT * FROM %s%s; ANALYZE pg_temp.rowback_piece`,
			in, i*pages/pieces, (i+1)*pages/pieces, left, map[bool]string{true: "; TRUNCATE " + left, false: " WITH NO DATA"}[i == 0]))
		if err != nil {
			return err
		}
		t.in, t.left = "pg_temp.rowback_piece", "pg_temp.rowback_piece_left"
		err = r.piece(ctx, total)
		restored += t.count.Restored
		if err == nil { // what came back, or did not, is known of the whole, too
			err = r.production.exec(ctx, fmt.Sprintf(`
				INSERT INTO %[1]s SELECT * FROM %[2]s;
				DELETE FROM %[3]s s WHERE ctid >= '(%[4]d,0)' AND ctid < '(%[5]d,0)' AND NOT EXISTS (SELECT FROM %[6]s p WHERE %[7]s)`,
				left, t.left, in, i*pages/pieces, (i+1)*pages/pieces, t.in, t.equal("p", "s")))
		}
		if err != nil {
			return err
		}
	}
	t.count.Restored = restored // for what follows the last piece
	return nil
}

// piece is one transaction, added to the total.
func (r *restore) piece(ctx context.Context, total *Report) error {
	report, err := r.attempts(ctx)
	if report == nil || err != nil {
		if report != nil { // of what failed
			total.Checks = append(total.Checks, report.Checks...)
		}
		return err
	}
	total.Restored += report.Restored
	total.Unrestored = append(total.Unrestored, report.Unrestored...)
	total.Warnings = r.warnings
	if report.Entry != "" {
		total.Entry, total.Entries, total.Batch = report.Entry, append(total.Entries, report.Entry), r.batch
	}
	for _, c := range report.Tables {
		total.count(c.Schema, c.Table).add(c)
	}
	for _, c := range report.Checks {
		total.merge(c)
	}
	for _, s := range report.Sequences {
		at := slices.IndexFunc(total.Sequences, func(o SequenceReport) bool {
			return o.Sequence == s.Sequence && o.Column == s.Column && o.Table == s.Table
		})
		if at < 0 {
			total.Sequences = append(total.Sequences, s)
			continue
		}
		s.From, s.Moved = total.Sequences[at].From, s.Moved || total.Sequences[at].Moved
		total.Sequences[at] = s
	}
	return nil
}

func (r *Report) count(schema, name string) *Count {
	for i := range r.Tables {
		if c := &r.Tables[i]; c.Schema == schema && c.Table == name {
			return c
		}
	}
	r.Tables = append(r.Tables, Count{Schema: schema, Table: name})
	return &r.Tables[len(r.Tables)-1]
}

// add adds what became of rows; how many were asked for is known.
func (c *Count) add(o Count) {
	c.Restored += o.Restored
	c.FromImages += o.FromImages
	c.AlreadyPresent += o.AlreadyPresent
	c.Different += o.Different
	c.Conflicts += o.Conflicts
	c.Missing += o.Missing
	c.ParentGone += o.ParentGone
	c.Filtered += o.Filtered
	c.Relinked += o.Relinked
	c.Unmarked += o.Unmarked
}

// merge adds a check that may have passed in other transactions already.
func (r *Report) merge(c Check) {
	if c.Name == nothingToWrite.Name {
		return
	}
	for i := range r.Checks {
		if o := &r.Checks[i]; o.Name == c.Name && o.OK && c.OK {
			o.Detail = "in every transaction"
			return
		}
	}
	r.Checks = append(r.Checks, c)
}

// ErrPartly: a restore in several transactions ended before the last one.
var ErrPartly = errors.New("ended part of the way")
