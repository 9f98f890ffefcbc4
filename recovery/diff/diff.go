package diff

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/recovery"
)

// Options of Run.
type Options struct {
	Production, Recovery string
	Tables               []string          // these alone (name or schema.name); nil: all that can be compared
	Where                map[string]string // by table's name: the rows to compare, an SQL condition
	Rows                 bool              // compare contents too
	Journal              journal.Journal   // nil: no deletion is on record
	Incidents            []string          // entries whose deletions are losses all the same
	Out                  string            // file of keys, see recovery.FromDiff; "" for none
	Jobs                 int               // tables at a time; 0: 4
	Progress             *recovery.Progress
}

// run is one comparison under way.
type run struct {
	o                    Options
	production, recovery *side
	pairs                []*pair
	notes                []string
	unfit                bool // something that should be compared is not
	recorded             map[*pair][]evidence
	out                  *file
}

// side is one of the databases.
type side struct {
	*recovery.Session
	name, url, application string
	catalog                *catalog.Snapshot
	snapshot               string
	utf8                   bool
}

// pair is a table on both sides.
type pair struct {
	live, backup *catalog.Table
	key          []column
	where        string
	count        Count
	unread       error // why keys on record are not known
}

// Run compares and reports. Its errors are of the request, the connections or
// the privileges; losses are in the report.
func Run(ctx context.Context, o Options) (_ *Report, err error) {
	began := time.Now()
	r := &run{o: o, recorded: map[*pair][]evidence{}}
	defer o.Progress.Done()
	defer r.close()
	if o.Out != "" { // first: a comparison takes its time
		if r.out, err = create(o.Out); err != nil {
			return nil, err
		}
		defer r.out.discard()
	}
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	if err := r.match(); err != nil {
		return nil, err
	}
	o.Progress.Start("reading the journal", 0)
	if err := r.readJournal(ctx); err != nil {
		return nil, err
	}
	if o.Out != "" {
		if err := r.out.begin(recovery.DiffHeader{Version: 1, Time: began.UTC(), Database: r.production.catalog.Database,
			Production: r.production.Where(), Recovery: r.recovery.Where()}); err != nil {
			return nil, err
		}
	}
	if err := r.compareAll(ctx); err != nil {
		return nil, err
	}
	report := r.report()
	if o.Out != "" {
		if err := r.out.finish(report.Lost); err != nil {
			return nil, err
		}
	}
	report.Seconds = time.Since(began).Seconds()
	return report, nil
}

func (r *run) open(ctx context.Context) error {
	r.production = &side{name: "production", url: r.o.Production, application: "rowback diff"}
	r.recovery = &side{name: "recovery", url: r.o.Recovery, application: "rowback diff"}
	for _, s := range []*side{r.production, r.recovery} {
		session, err := recovery.Open(ctx, s.name, s.url, s.application)
		if err != nil {
			return err
		}
		s.Session = session
	}
	if err := recovery.ProveDistinct(ctx, r.production.Session, r.recovery.Session); err != nil {
		return err
	}
	g, both := errgroup.WithContext(ctx)
	for _, s := range []*side{r.production, r.recovery} {
		g.Go(func() error { return s.begin(both) })
	}
	return g.Wait()
}

// begin takes the snapshot that all sessions of this side share.
func (s *side) begin(ctx context.Context) (err error) {
	if err := s.Snapshot(ctx); err != nil {
		return err
	}
	rows, err := s.Rows(ctx, "SELECT pg_export_snapshot(), (getdatabaseencoding() IN ('UTF8', 'SQL_ASCII'))::text")
	if err != nil {
		return err
	}
	s.snapshot, s.utf8 = *rows[0][0], *rows[0][1] == "true"
	s.catalog, err = s.Catalog(ctx)
	return err
}

// session opens one more session that sees the same.
func (s *side) session(ctx context.Context) (*recovery.Session, error) {
	n, err := recovery.Open(ctx, s.name, s.url, s.application)
	if err != nil {
		return nil, err
	}
	if err = n.Exec(ctx, "SET TimeZone = 'UTC'"); err == nil {
		err = s.join(ctx, n)
	}
	if err != nil {
		_ = n.Close()
		return nil, err
	}
	return n, nil
}

// join begins the transaction of a session that is to see the same.
func (s *side) join(ctx context.Context, n *recovery.Session) error {
	if err := n.Snapshot(ctx); err != nil {
		return err
	}
	return n.Exec(ctx, "SET TRANSACTION SNAPSHOT '"+s.snapshot+"'")
}

func (r *run) close() {
	for _, s := range []*side{r.production, r.recovery} {
		if s != nil && s.Session != nil {
			_ = s.Close() // read only
		}
	}
}

// match finds the tables to compare, and names those that cannot be.
func (r *run) match() error {
	var problems []string
	wanted := map[string]bool{}
	for _, name := range r.o.Tables {
		schema, table := journal.SplitName(name)
		t, err := recovery.FindTable(r.recovery.catalog, schema, table)
		if err != nil {
			problems = append(problems, "recovery: "+err.Error())
			continue
		}
		wanted[display(t.Root())] = true
	}
	for _, b := range r.recovery.catalog.Tables {
		if !wanted[display(b)] && (len(r.o.Tables) > 0 || !recovery.HoldsRows(b)) {
			continue
		}
		p := &pair{backup: b, live: r.production.catalog.Lookup(b.Schema, b.Name), count: Count{Schema: b.Schema, Table: b.Name}}
		if why := p.unfit(); why != "" {
			if wanted[display(b)] {
				if p.live == nil {
					why += fmt.Sprintf("; pg_dump -t '%s' RECOVERY | psql PRODUCTION brings it back, with the rows that the recovery database has", display(b))
				}
				problems = append(problems, "table "+display(b)+" cannot be compared: "+why)
			} else {
				r.notes = append(r.notes, display(b)+" is not compared: "+why)
			}
			r.unfit = r.unfit || p.live == nil
			continue
		}
		p.key = r.keyColumns(p)
		r.pairs = append(r.pairs, p)
	}
	// The largest first, so that none is left alone at the end.
	slices.SortFunc(r.pairs, func(a, b *pair) int {
		return cmp.Or(cmp.Compare(size(b.backup), size(a.backup)), strings.Compare(display(a.backup), display(b.backup)))
	})
	slices.Sort(r.notes)
	problems = append(problems, r.conditions()...)
	if len(r.pairs) == 0 && len(problems) == 0 {
		problems = append(problems, "there is no table that both databases have and that can be compared")
	}
	return recovery.Refuse(recovery.Usage, problems...)
}

// unfit says why the two tables cannot be compared, or "".
func (p *pair) unfit() string {
	switch {
	case p.live == nil:
		return "production has no such table any more"
	case p.live.Kind != 'r' && p.live.Kind != 'p' || p.live.Partition:
		return "in production it is no table of its own"
	case len(p.live.Key) == 0:
		return "it has no primary key, nor a unique index on NOT NULL columns"
	}
	for _, c := range p.live.Key {
		if b := p.backup.Column(c); b == nil {
			return "the backup lacks its key column " + c
		} else if !b.NotNull || b.Unproved {
			return "its key column " + c + " may be NULL in the backup"
		}
	}
	return ""
}

// conditions gives each --where to its table.
func (r *run) conditions() (problems []string) {
	for _, name := range slices.Sorted(maps.Keys(r.o.Where)) {
		schema, table := journal.SplitName(name)
		t, err := recovery.FindTable(r.recovery.catalog, schema, table)
		if err != nil {
			problems = append(problems, "--where: "+err.Error())
			continue
		}
		i := slices.IndexFunc(r.pairs, func(p *pair) bool { return p.backup == t })
		if i < 0 {
			problems = append(problems, "--where: "+display(t)+" is not among the tables that are compared")
			continue
		}
		r.pairs[i].where = r.o.Where[name]
	}
	return problems
}

func (r *run) compareAll(ctx context.Context) error {
	var total int64
	for _, p := range r.pairs {
		total += size(p.backup)
	}
	r.o.Progress.Start("comparing", total)
	jobs := r.o.Jobs
	if jobs <= 0 {
		jobs = 4
	}
	todo := make(chan *pair, len(r.pairs))
	for _, p := range r.pairs {
		todo <- p
	}
	close(todo)
	g, ctx := errgroup.WithContext(ctx)
	for range min(jobs, len(r.pairs)) {
		g.Go(func() error { return r.work(ctx, todo) })
	}
	return g.Wait()
}

// work compares tables until there are none left, in sessions of its own.
func (r *run) work(ctx context.Context, todo <-chan *pair) (err error) {
	w := &worker{run: r}
	defer w.close()
	if err := w.open(ctx); err != nil {
		return err
	}
	for p := range todo {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := w.compare(ctx, p); err != nil {
			var said *pgconn.PgError
			if p.where != "" && errors.As(err, &said) && strings.HasPrefix(said.Code, "42") && said.Code != "42501" {
				return recovery.Refuse(recovery.Usage, fmt.Sprintf("--where for %s: %v", display(p.backup), err))
			}
			return fmt.Errorf("comparing %s: %w", display(p.backup), err)
		}
	}
	return nil
}

func display(t *catalog.Table) string { return journal.QuoteName(t.Schema, t.Name) }

// only is a table in a FROM clause, without what inherits from it.
func only(t *catalog.Table) string {
	if t.Kind == 'p' {
		return t.QuotedName()
	}
	return "ONLY " + t.QuotedName()
}

// size is the estimated rows of a table.
func size(t *catalog.Table) (n int64) {
	if t.Kind == 'r' {
		return int64(max(t.EstimatedRows, 0))
	}
	for _, leaf := range t.Leaves() {
		n += int64(max(leaf.EstimatedRows, 0))
	}
	return n
}
