package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/recovery"
)

// Options of Run.
type Options struct {
	Name     string             // of the database, for people: "production", "recovery"
	URL      string             // where it is
	Tables   []string           // look at these alone (name, or schema.name); nil: all
	Queries  []Query            // the user's checks; not run where Tables are given
	Limit    int                // rows listed of one problem; 0: 10
	Progress *recovery.Progress // nil: silent
}

// Query is a check of the user's.
type Query struct {
	Name  string
	Query string // returns the offending rows: none, if all is well
	Limit int    // offending rows listed; 0: as of all checks
}

// run is one run under way.
type run struct {
	o       Options
	session *recovery.Session
	catalog *catalog.Snapshot
	wanted  map[uint32]bool // nil: all tables
	report  *Report
}

// Run makes every check and reports on each. Its errors are of the request or
// the connection; what the checks found is in the report.
func Run(ctx context.Context, o Options) (*Report, error) {
	began := time.Now()
	if o.Limit <= 0 {
		o.Limit = 10
	}
	defer o.Progress.Done()
	s, err := recovery.Open(ctx, o.Name, o.URL, "rowback check")
	if err != nil {
		return nil, err
	}
	defer s.Close()
	r := &run{o: o, session: s, report: &Report{Database: s.Where(), Time: began.UTC(), Results: []Result{}}}
	if err := r.all(ctx); err != nil {
		return nil, err
	}
	r.report.Seconds = time.Since(began).Seconds()
	return r.report, nil
}

// tableScans: a damaged index is no witness.
const tableScans = "SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off"

func (r *run) all(ctx context.Context) (err error) {
	if err := r.session.Exec(ctx, "SET default_transaction_read_only = on; "+tableScans); err != nil {
		return err
	}
	if err := r.session.Snapshot(ctx); err != nil {
		return err
	}
	if r.catalog, err = r.session.Catalog(ctx); err != nil {
		return err
	}
	if err := r.choose(); err != nil {
		return err
	}
	for _, kind := range []func(context.Context) error{r.foreignKeys, r.uniques, r.sequences} {
		if err := kind(ctx); err != nil {
			return err
		}
	}
	if r.wanted != nil {
		return nil
	}
	return r.queries(ctx)
}

// choose finds the tables that were named.
func (r *run) choose() error {
	var problems []string
	for _, name := range r.o.Tables {
		schema, table := journal.SplitName(name)
		t, err := recovery.FindTable(r.catalog, schema, table)
		if err != nil {
			problems = append(problems, err.Error())
			continue
		}
		if r.wanted == nil {
			r.wanted = map[uint32]bool{}
		}
		r.wanted[t.OID], r.wanted[t.Root().OID] = true, true
	}
	return recovery.Refuse(recovery.Usage, problems...)
}

func (r *run) wants(t *catalog.Table) bool {
	return (t.Kind == 'r' || t.Kind == 'p') && !t.Temporary && (r.wanted == nil || r.wanted[t.OID])
}

// one makes one check. What fails in it, short of the connection, is its
// result, and the transaction goes on.
func (r *run) one(ctx context.Context, result Result, do func(*Result) error) error {
	if err := r.session.Exec(ctx, "SAVEPOINT rowback_check"); err != nil {
		return err
	}
	began := time.Now()
	err := do(&result)
	var answer *pgconn.PgError
	var refusal *recovery.Refusal
	switch {
	case errors.As(err, &refusal):
		result.Status, result.Detail, result.Rows = Failed, "could not be checked: "+strings.Join(refusal.Problems, "; "), nil
	case errors.As(err, &answer) && ctx.Err() == nil && answer.Code != "57P01":
		result.Status, result.Detail = Failed, fmt.Sprintf("could not be checked: %s (SQLSTATE %s)", answer.Message, answer.Code)
		result.Rows = nil
	case err != nil:
		return err
	case result.Problems > 0:
		result.Status = Problem
	default:
		result.Status = OK
	}
	result.Seconds = time.Since(began).Seconds()
	r.report.Results = append(r.report.Results, result)
	return r.session.Exec(ctx, "ROLLBACK TO SAVEPOINT rowback_check; RELEASE SAVEPOINT rowback_check")
}

// listed collects the rows of a problem: all are counted, a few are kept.
func (r *run) listed(result *Result, columns []string) func([]*string) error {
	return func(values []*string) error {
		if result.Problems++; result.Problems <= int64(r.o.Limit) {
			result.Rows = append(result.Rows, row(columns, values))
		}
		return nil
	}
}

// only is a table in a FROM clause: without what inherits from it, which its
// constraints say nothing of.
func only(t *catalog.Table) string {
	if t.Kind == 'p' {
		return t.QuotedName()
	}
	return "ONLY " + t.QuotedName()
}

// size is the estimated rows of a table, for progress.
func size(t *catalog.Table) (n int64) {
	for _, leaf := range t.Leaves() {
		n += int64(max(leaf.EstimatedRows, 0))
	}
	return n
}
