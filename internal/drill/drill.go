package drill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/recovery"
	"github.com/rowback/rowback/recovery/backup"
)

// Options of Run.
type Options struct {
	Dump     string // what is rehearsed on
	Program  string // the rowback that is the proxy
	Rounds   int
	Seed     uint64 // of all choices
	BinDir   string // PostgreSQL's programs; "": found
	Progress *recovery.Progress
}

// The databases of the scratch server: as the dump has it, and production.
const (
	pristine   = "drill_backup"
	production = "drill_production"
)

// drill is one under way.
type drill struct {
	o       Options
	dir     string
	cluster *pgtest.Cluster
	proxy   *proxy
	journal journal.Journal
	random  *rand.Rand
	catalog *catalog.Snapshot
	victims []victim
	dirty   bool // production is not as the backup has it
	report  *Report
}

// Run rehearses and reports. Its errors are of the dump and of this machine;
// what went wrong in a round is in the report.
func Run(ctx context.Context, o Options) (_ *Report, err error) {
	began := time.Now()
	d := &drill{o: o, random: rand.New(rand.NewPCG(o.Seed, 0)), dirty: true, report: &Report{Time: began.UTC(), Dump: o.Dump, Seed: o.Seed, Rounds: []Round{}}}
	defer o.Progress.Done()
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.prepare(ctx); err != nil {
		return nil, err
	}
	for n := range o.Rounds {
		o.Progress.Start(fmt.Sprintf("round %d of %d", n+1, o.Rounds), 0)
		round, err := d.round(ctx, n)
		if err != nil {
			return nil, fmt.Errorf("round %d: %w", n+1, err)
		}
		d.report.Rounds = append(d.report.Rounds, *round)
	}
	d.report.sum()
	d.report.Seconds = time.Since(began).Seconds()
	return d.report, nil
}

func (d *drill) prepare(ctx context.Context) (err error) {
	if d.dir, err = os.MkdirTemp("", "rowback-drill-"); err != nil {
		return err
	}
	d.o.Progress.Start("starting a scratch server", 0)
	if d.cluster, err = pgtest.Start(ctx, pgtest.Options{BinDir: d.o.BinDir}); err != nil {
		return err
	}
	receipt, err := backup.Load(ctx, backup.LoadOptions{Dump: d.o.Dump, Server: d.cluster.URL("postgres"), Name: pristine, BinDir: d.cluster.BinDir, Progress: d.o.Progress})
	if err != nil {
		return err
	}
	d.report.Load = receipt.Seconds
	s, err := recovery.Open(ctx, "recovery", d.cluster.URL(pristine), "rowback drill")
	if err != nil {
		return err
	}
	d.catalog, err = s.Catalog(ctx)
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	d.victims = victims(d.catalog)
	if len(d.victims) == 0 {
		return errors.New("the dump has no table whose rows can be told apart (a primary key, or unique NOT NULL columns): there is nothing to rehearse")
	}
	if d.journal, err = journal.Open(ctx, d.path("journal"), journal.Options{}); err != nil {
		return err
	}
	d.proxy, err = newProxy(d.o.Program, d.cluster.URL(production), d.path("journal"))
	return err
}

func (d *drill) path(name string) string { return filepath.Join(d.dir, name) }

// reset makes production what the backup has, where it is not.
func (d *drill) reset(ctx context.Context) error {
	if !d.dirty {
		return nil
	}
	s, err := recovery.Open(ctx, "production", d.cluster.URL("postgres"), "rowback drill")
	if err != nil {
		return err
	}
	defer s.Close()
	// Each on its own: they cannot run in one transaction.
	for _, sql := range []string{
		"DROP DATABASE IF EXISTS " + production + " WITH (FORCE)",
		"CREATE DATABASE " + production + " TEMPLATE " + pristine,
	} {
		if err := s.Exec(ctx, sql); err != nil {
			return err
		}
	}
	d.dirty = false
	return nil
}

func (d *drill) close() error {
	var errs []error
	if d.proxy != nil {
		d.proxy.kill()
	}
	if d.journal != nil {
		errs = append(errs, d.journal.Close())
	}
	if d.cluster != nil {
		errs = append(errs, d.cluster.Stop())
	}
	if d.dir != "" {
		errs = append(errs, os.RemoveAll(d.dir))
	}
	return errors.Join(errs...)
}
