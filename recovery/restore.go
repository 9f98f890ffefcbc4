package recovery

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rowback/rowback/catalog"
)

// restore is one restore under way.
type restore struct {
	o                    Options
	production, recovery *side // recovery is nil where images alone are the source

	tables  []*table           // every table that rows go into, parents included
	byOID   map[uint32]*table  // of production
	feeds   map[int]*table     // whose rows are found by their keys; by index in Source.Tables
	images  map[int]*imageFeed // whose images are read, likewise
	order   map[int][]string   // key columns in the order that the source gives them
	links   []*link            // cut links, newest first
	byFeed  map[int]*link
	written map[uint32]*catalog.Table  // by OID; see unchanged
	beside  []reference                // of these or to these, by which other tables are read
	defined definitions                // of all tables, before the catalog was read
	marks   map[int]string             // by index in Source.Tables: the transaction that soft-deleted the rows
	back    map[string]map[string]back // see restoredBefore
	lost    []Unrestored               // cut links of whole tables that cannot be restored

	waiting  []*link // inPieces: the links, until the last transaction gives those of rows that stayed back
	cutAgain bool    // rows that are to be inserted have lost a link that they had been given
	rounds   int     // … and how often they have been looked at for that

	changes []*change // of rows in production, in the order in which they are made

	mapping mapping // the configuration
	outside []Count // of tables that the configuration leaves out

	large    bool   // large objects are staged
	batch    string // inPieces: the ID of the first transaction's entry
	inPieces bool   // the transaction under way is one of several

	hushed  bool   // triggers are quiet up to the first write; see hush
	replica bool   // they stay quiet while rows are inserted
	why     string // not replica
	mend    string // of why, an order
	// committing: the evidence is on its way, an interrupt changes nothing any more.
	committing bool
	warnings   []string
}

// Restore brings the rows of o.Source back and reports on every one of them.
//
// Errors before the first write are Refusals (errors.As), except for lost
// connections and the like. ErrDeclined if Confirm said no. With ErrUnverified
// the report says what failed; nothing was committed. A nil error means done,
// or planned; see Report.Complete for whether every row is back.
func Restore(ctx context.Context, o Options) (report *Report, err error) {
	began := time.Now()
	r := &restore{o: o, byOID: map[uint32]*table{}, feeds: map[int]*table{}, images: map[int]*imageFeed{}, order: map[int][]string{}, byFeed: map[int]*link{}, marks: map[int]string{}}
	defer o.Progress.Done()
	defer r.close()
	defer func() {
		if err != nil && ctx.Err() != nil && !r.committing {
			err = fmt.Errorf("%w: %w", ErrStopped, ctx.Err())
		}
	}()
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	if err := r.prepare(ctx); err != nil {
		return nil, r.byEvents(ctx, err)
	}
	if err := r.remember(ctx); err != nil {
		return nil, err
	}
	if err := r.stage(ctx); err != nil {
		return nil, r.byEvents(ctx, err)
	}
	// The recovery side is not needed any more, whatever happens.
	if r.recovery != nil {
		if err := r.recovery.exec(ctx, "ROLLBACK"); err != nil {
			return nil, err
		}
	}
	report, err = r.run(ctx)
	if report != nil {
		report.Seconds = time.Since(began).Seconds()
	}
	return report, err
}

func (r *restore) open(ctx context.Context) (err error) {
	if r.production, err = connect(ctx, "production", r.o.Production, r.o.Source.Database); err != nil {
		return err
	}
	r.hush(ctx)
	if r.o.Recovery != "" || r.o.NoImages || r.o.Source.fromFile() {
		if r.recovery, err = connect(ctx, "recovery", r.o.Recovery, r.o.Source.Database); err != nil {
			return err
		}
	} else if !r.o.Source.whole() {
		return r.refuseAlone(ctx)
	}
	if r.recovery == nil && r.o.WithParents {
		return refuse(Usage, "--with-parents takes the parents from the recovery database: name it with --recovery")
	}
	// Reading the definition of a table takes a lock on it too.
	for _, s := range r.sides() {
		if err := s.exec(ctx, fmt.Sprintf("SET lock_timeout = %d", milliseconds(r.o.lockTimeout()))); err != nil {
			return err
		}
	}
	if c := r.o.config(); r.o.Batch > 0 && len(c.Before)+len(c.After) > 0 {
		return refuse(Usage, "the configuration has SQL to run in the transaction of the restore (restore.before, restore.after), and --batch makes it several; restore without --batch")
	}
	if r.recovery != nil {
		if err := proveDistinct(ctx, r.production, r.recovery); err != nil {
			return err
		}
		// All that is read from the recovery database is one state of it.
		if err := r.recovery.exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
			return err
		}
	} else if err := refuseStandby(ctx, r.production); err != nil {
		return err
	}
	if err := r.settleSource(ctx); err != nil {
		return err
	}
	if err := r.load(ctx); err != nil {
		return err
	}
	if err := r.refuseSwappedNames(); err != nil {
		return err
	}
	if err := r.configure(ctx, r.o.config()); err != nil {
		return err
	}
	r.warn(r.o.Source.Warnings...)
	if err := r.leaveOthers(ctx); err != nil {
		return err
	}
	if was, is := r.o.Source.Database, r.production.catalog.Database; was != "" && was != is {
		r.warn(fmt.Sprintf("the deletion was in database %s; production here is %s", was, is))
	}
	return nil
}

// onBoth does something on both sides, if they are connected, at the same time.
func (r *restore) onBoth(do func(*side) error) error {
	sides := r.sides()
	errs := make([]error, len(sides))
	var doing sync.WaitGroup
	for i, s := range sides {
		doing.Go(func() { errs[i] = do(s) })
	}
	doing.Wait()
	return errors.Join(errs...)
}

// close ends both sessions; temporary tables and open transactions go with them.
func (r *restore) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, s := range r.sides() {
		_ = s.conn.Close(ctx)
	}
}

// sides are those that are connected.
func (r *restore) sides() (out []*side) {
	for _, s := range []*side{r.production, r.recovery} {
		if s != nil {
			out = append(out, s)
		}
	}
	return out
}

func (r *restore) warn(warnings ...string) { r.warnings = append(r.warnings, warnings...) }

// stage brings every row that may be needed to production, in temporary tables.
func (r *restore) stage(ctx context.Context) error {
	for _, t := range r.tables {
		if err := r.makeStaging(ctx, t); err != nil {
			return err
		}
	}
	for _, l := range r.links {
		if err := r.makeLink(ctx, l); err != nil {
			return err
		}
	}
	if err := r.makeMarks(ctx); err != nil {
		return err
	}
	if err := r.collect(ctx); err != nil {
		return err
	}
	if r.o.WithParents {
		if err := r.collectParents(ctx); err != nil {
			return err
		}
	}
	if err := r.unlinkStaged(ctx); err != nil {
		return err
	}
	if err := r.index(ctx); err != nil {
		return err
	}
	if err := r.removedAgain(ctx); err != nil {
		return err
	}
	if err := r.supersedeLinks(ctx, "UPDATE %s x SET rowback_again = true"); err != nil {
		return err
	}
	if err := r.laterCuts(ctx); err != nil {
		return err
	}
	if err := r.findMarks(ctx); err != nil {
		return err
	}
	return r.collectLarge(ctx)
}

// run plans and, unless told otherwise, writes. The plan of a dry run, or for
// the question, comes from the same steps, rolled back before the first write.
func (r *restore) run(ctx context.Context) (*Report, error) {
	if r.o.DryRun || r.o.Confirm != nil || r.o.Batch > 0 {
		plan, err := r.planOnly(ctx)
		if err != nil {
			return nil, err
		}
		if r.o.DryRun {
			return plan.report(), nil
		}
		if r.o.Confirm != nil {
			r.o.Progress.Done()
			switch yes, err := r.o.Confirm(ctx, plan); {
			case err != nil:
				return nil, err
			case !yes:
				return nil, ErrDeclined
			}
		}
		if r.o.Batch > 0 {
			return r.runPieces(ctx, plan)
		}
	}
	return r.attempts(ctx)
}

// parentTables are the tables that rows of t may refer to.
func parentTables(t *table) (out []*catalog.Table) {
	for _, ref := range t.references() {
		out = append(out, ref.Parent)
	}
	return out
}
