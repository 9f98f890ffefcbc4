package recovery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rowback/rowback/catalog"
)

// restore is one restore under way.
type restore struct {
	o                    Options
	production, recovery *side // recovery is nil where images alone are the source

	tables []*table           // every table that rows go into, parents included
	byOID  map[uint32]*table  // of production
	feeds  map[int]*table     // whose rows are found by their keys; by index in Source.Tables
	images map[int]*imageFeed // whose images are read, likewise
	order  map[int][]string   // key columns in the order that the source gives them
	links  []*link            // cut links, newest first
	byFeed map[int]*link
	marks  map[int]string             // by index in Source.Tables: the transaction that soft-deleted the rows
	back   map[string]map[string]back // see restoredBefore
	lost   []Unrestored               // cut links of whole tables that cannot be restored

	waiting  []*link // inPieces: the links, until the last transaction gives those of rows that stayed back
	cutAgain bool    // rows that are to be inserted have lost a link that they had been given

	changes []*change // of rows in production, in the order in which they are made

	mapping mapping // the configuration
	outside []Count // of tables that the configuration leaves out

	large    bool   // large objects are staged
	batch    string // inPieces: the ID of the first transaction's entry
	inPieces bool   // the transaction under way is one of several

	replica bool   // triggers stay quiet while rows are inserted
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
		return nil, err
	}
	if err := r.stage(ctx); err != nil {
		return nil, err
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
	if r.o.Recovery != "" || r.o.NoImages || r.o.Source.fromFile() {
		if r.recovery, err = connect(ctx, "recovery", r.o.Recovery, r.o.Source.Database); err != nil {
			return err
		}
	} else if !r.o.Source.whole() {
		return refuse(Usage, "no recovery database is given: name it with --recovery. The journal holds the keys of these rows, not the rows themselves (see capture: rows in the rules)")
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
	if err := r.configure(r.o.config()); err != nil {
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

// load reads the catalogs of both sides.
func (r *restore) load(ctx context.Context) error {
	return r.onBoth(func(s *side) error { return s.load(ctx) })
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
	if err := r.laterCuts(ctx); err != nil {
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

// attempts writes, and writes again after what another try may mend.
func (r *restore) attempts(ctx context.Context) (*Report, error) {
	said := len(r.warnings)
	for try := 1; ; try++ {
		r.warnings = r.warnings[:said] // of this try alone
		report, err := r.write(ctx)
		if err == nil || try == tries || !again(err) {
			var race *errRace
			if errors.As(err, &race) {
				err = fmt.Errorf("%w: %s", ErrUnverified, race.what)
			}
			return report, err
		}
		// Nothing is left of the failed try; the staged rows are as they were.
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Duration(rand.IntN(50*try)) * time.Millisecond):
		}
	}
}

// again: another try of the whole transaction may succeed.
func again(err error) bool {
	var race *errRace
	code := sqlState(err)
	return errors.As(err, &race) || code == "40P01" || code == "40001"
}

func (r *restore) planOnly(ctx context.Context) (_ *Plan, err error) {
	if err := r.begin(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.rollback(ctx)) }()
	return r.plan(ctx)
}

// begin opens the one transaction on production.
func (r *restore) begin(ctx context.Context) error {
	return r.production.exec(ctx, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
}

// rollback is a no-op on a connection that is closed: the server rolls back.
func (r *restore) rollback(ctx context.Context) error {
	if r.production.conn.IsClosed() {
		return nil
	}
	return r.production.exec(context.WithoutCancel(ctx), "ROLLBACK")
}

// write is one try: lock, plan, insert, unmark, relink, verify, resync, commit.
func (r *restore) write(ctx context.Context) (report *Report, err error) {
	if err := r.begin(ctx); err != nil {
		return nil, err
	}
	committed := false
	defer func() {
		if !committed {
			err = errors.Join(err, r.rollback(ctx))
		}
	}()
	if err := r.lockKeyless(ctx); err != nil {
		return nil, err
	}
	plan, err := r.plan(ctx)
	if err != nil {
		return nil, err
	}
	warned := len(r.warnings)
	report = plan.report()
	report.DryRun = false
	if report.Restored == 0 && plan.relinks() == 0 && plan.unmarks() == 0 {
		report.Checks = append(report.Checks, nothingToWrite)
		if r.inPieces { // what was found to stay out is not forgotten
			committed = true
			return report, r.production.exec(ctx, "COMMIT")
		}
		return report, nil
	}
	config := r.o.config()
	if err := r.hooks(ctx, "before", config.Before); err != nil {
		return nil, err
	}
	if err := r.insert(ctx, plan); err != nil {
		return nil, err
	}
	large, err := r.insertLarge(ctx)
	report.Checks = append(report.Checks, large...)
	if err != nil {
		report.withdraw()
		return report, err
	}
	if err := r.unmark(ctx); err != nil { // which goes by whose rows are: before they are ours
		return nil, err
	}
	if err := r.relink(ctx); err != nil {
		return nil, err
	}
	if err := r.hooks(ctx, "after", config.After); err != nil {
		return nil, err
	}
	checks, err := r.verify(ctx)
	report.Checks = append(report.Checks, checks...)
	if err != nil {
		report.withdraw()
		return report, err
	}
	if report.Sequences, err = r.resync(ctx); err != nil {
		return nil, err
	}
	if report.Entry, err = r.commit(ctx, &committed, r.evidence); err != nil {
		report.withdraw()
		return report, err
	}
	if !r.inPieces { // else once, after the last of its transactions
		report.Checks = append(report.Checks, r.analyze(ctx)...)
	}
	report.Warnings = append(report.Warnings, r.warnings[warned:]...)
	return report, nil
}

// analyzed is the share of a table that must have come back for analyze to look at
// it: autovacuum's own default. Below it the planner's figures are as good as before.
const analyzed = 0.1

// analyze gives the planner fresh figures of the touched tables, and of no
// others. The rows are committed: a failure here is only reported.
func (r *restore) analyze(ctx context.Context) []Check {
	var failed []Check
	for _, t := range r.tables {
		if t.count.Restored == 0 || float64(t.count.Restored) < analyzed*t.live.EstimatedRows {
			continue
		}
		r.o.Progress.Start("analyzing "+t.name(), 0)
		if err := r.production.exec(ctx, "ANALYZE "+t.live.QuotedName()); err != nil {
			failed = append(failed, Check{Name: "ANALYZE " + t.name(), Detail: err.Error() + "; the rows are back, run it later"})
		}
	}
	return failed
}

// parentTables are the tables that rows of t may refer to.
func parentTables(t *table) (out []*catalog.Table) {
	for _, ref := range t.references() {
		out = append(out, ref.Parent)
	}
	return out
}
