package recovery

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// attempts writes, and writes again after what another try may mend.
func (r *restore) attempts(ctx context.Context) (*Report, error) {
	said := len(r.warnings)
	for try := 1; ; try++ {
		r.warnings = r.warnings[:said] // of this try alone
		report, err := r.write(ctx)
		if err == nil || try == tries || !again(err) {
			var race *errRace
			if errors.As(err, &race) {
				err = race.last(try, r.leaveOutOf(race), r.blame())
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
	if err := r.unchanged(ctx); err != nil {
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
