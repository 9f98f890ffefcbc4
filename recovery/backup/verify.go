package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/recovery"
	"github.com/rowback/rowback/recovery/check"
)

// VerifyOptions of Verify: either Dump and Server, or URL.
type VerifyOptions struct {
	Dump, Server string // a dump, and where it is restored for the purpose
	URL          string // a recovery database that is there
	Jobs         int
	BinDir       string
	Queries      []check.Query
	MaxAge       time.Duration   // of the newest row; 0: any
	Journal      journal.Journal // nil: no entries are looked up
	Database     string          // whose entries; "": of any
	Entries      int             // the newest so many
	Progress     *recovery.Progress
	Now          func() time.Time // nil: time.Now
}

// verification is one under way.
type verification struct {
	o       VerifyOptions
	session *recovery.Session
	catalog *catalog.Snapshot
	report  *VerifyReport
}

// Verify proves that a dump, or a recovery database, is usable. A dump is
// restored into a scratch database, which is dropped whatever happens. What is
// wrong with it is in the report; errors are of the request and the servers,
// and of a dump that cannot be loaded at all.
func Verify(ctx context.Context, o VerifyOptions) (report *VerifyReport, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	began := time.Now()
	v := &verification{o: o, report: &VerifyReport{Time: o.Now().UTC(), Tables: []TableRows{}, Entries: []EntryKeys{}, Problems: []string{}, Warnings: []string{}}}
	defer o.Progress.Done()
	url := o.URL
	var receipt *Receipt
	if o.Dump != "" {
		var db *database
		name := fmt.Sprintf("rowback_verify_%s_%d", began.UTC().Format("20060102_150405"), os.Getpid())
		receipt, db, err = load(ctx, LoadOptions{Dump: o.Dump, Server: o.Server, Name: name, Jobs: o.Jobs, BinDir: o.BinDir, Progress: o.Progress})
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, db.drop(ctx)) }()
		url = db.url
		v.report.Dump = receipt
		if receipt.alone {
			v.report.Warnings = append(v.report.Warnings, fmt.Sprintf("one connection restored it, whatever --jobs says: a %s dump cannot be taken apart", receipt.Format))
		}
	}
	if err := v.open(ctx, url); err != nil {
		return nil, err
	}
	defer v.session.Close()
	if receipt != nil {
		if err := v.compare(ctx, receipt); err != nil {
			return nil, err
		}
	}
	if err := v.holdsRows(ctx); err != nil {
		return nil, err
	}
	if err := v.newest(ctx); err != nil {
		return nil, err
	}
	if err := v.entries(ctx); err != nil {
		return nil, err
	}
	if v.report.Checks, err = check.Run(ctx, check.Options{Name: "recovery", URL: url, Queries: o.Queries, Progress: o.Progress}); err != nil {
		return nil, err
	}
	if !v.report.Checks.Clean() {
		v.problem("its checks found problems")
	}
	v.report.Seconds = time.Since(began).Seconds()
	return v.report, nil
}

func (v *verification) open(ctx context.Context, url string) (err error) {
	if v.session, err = recovery.Open(ctx, "recovery", url, "rowback backup verify"); err != nil {
		return err
	}
	if err = v.session.Exec(ctx, "SET TimeZone = 'UTC'"); err == nil {
		err = v.session.Snapshot(ctx)
	}
	if err == nil {
		v.catalog, err = v.session.Catalog(ctx)
	}
	if err != nil {
		return errors.Join(err, v.session.Close())
	}
	v.report.Database = v.session.Where()
	return nil
}

func (v *verification) problem(format string, args ...any) {
	v.report.Problems = append(v.report.Problems, fmt.Sprintf(format, args...))
}
