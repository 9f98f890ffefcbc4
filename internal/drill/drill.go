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
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/recovery"
	"github.com/rowback/rowback/recovery/backup"
)

// Options of Run.
type Options struct {
	Dump     string // what is rehearsed on; or
	Template string // the URL of a database that is cloned on its own server
	// Production is the URL of what must not be cloned in its place; "": not known.
	Production string
	Program    string // the rowback that is the proxy
	Rounds     int
	Seed       uint64 // of all choices
	BinDir     string // PostgreSQL's programs; "": found
	Progress   *recovery.Progress
}

// application is the application_name of our own sessions.
const application = "rowback drill"

// drill is one under way.
type drill struct {
	o       Options
	dir     string
	stage   stage
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
	d := &drill{o: o, random: rand.New(rand.NewPCG(o.Seed, 0)), dirty: true, report: &Report{Time: began.UTC(), Dump: o.Dump, Template: templateName(o.Template), Seed: o.Seed, Rounds: []Round{}}}
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
	if d.o.Dump != "" {
		if err := backup.RefuseWithoutRows(ctx, d.o.Dump, d.o.BinDir); err != nil {
			return err
		}
	}
	if err := d.build(ctx); err != nil {
		return err
	}
	s, err := recovery.Open(ctx, "production", d.stage.production(), application)
	if err != nil {
		return err
	}
	if err = s.Exec(ctx, "ANALYZE"); err == nil { // victims are chosen by size
		d.catalog, err = s.Catalog(ctx)
	}
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	d.victims = victims(d.catalog)
	if len(d.victims) == 0 {
		return d.nothing()
	}
	if d.journal, err = journal.Open(ctx, d.path("journal"), journal.Options{}); err != nil {
		return err
	}
	d.proxy, err = newProxy(d.o.Program, d.stage.production(), d.path("journal"))
	return err
}

// nothing refuses a database that no row can be deleted from and found again.
func (d *drill) nothing() error {
	why := "holds no rows"
	for _, t := range d.catalog.Tables {
		if size(t) > 0 {
			why = "has no table with rows that can be told apart (a primary key, or unique NOT NULL columns)"
		}
	}
	return recovery.Refuse(recovery.Unfit, fmt.Sprintf("%s %s: there is nothing to rehearse", d.report.from(), why))
}

// build makes the stage, and production for the first time.
func (d *drill) build(ctx context.Context) error {
	began := time.Now()
	if d.o.Template != "" {
		c, err := newClones(d.o.Template)
		if err != nil {
			return err
		}
		if err := c.refuseProduction(ctx, d.o.Production); err != nil {
			return err
		}
		d.stage = c
		d.o.Progress.Start("cloning "+c.database, 0)
	} else {
		s, err := newOwnServer(ctx, d.o)
		if s != nil {
			d.stage = s
		}
		if err != nil {
			return err
		}
	}
	if err := d.reset(ctx); err != nil {
		return err
	}
	d.report.Load = time.Since(began).Seconds()
	return nil
}

func (d *drill) path(name string) string { return filepath.Join(d.dir, name) }

// reset makes production what the backup has, where it is not.
func (d *drill) reset(ctx context.Context) error {
	if !d.dirty {
		return nil
	}
	if err := d.stage.reset(ctx); err != nil {
		return err
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
	if d.stage != nil {
		errs = append(errs, d.stage.close())
	}
	if d.dir != "" {
		errs = append(errs, os.RemoveAll(d.dir))
	}
	return errors.Join(errs...)
}
