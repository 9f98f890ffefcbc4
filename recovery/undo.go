package recovery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// UndoOptions of taking restores back.
type UndoOptions struct {
	Production  string          // where they put the rows
	Journal     journal.Journal // knows what they did, and takes the evidence of this
	IDs         []string        // of the restores' own entries
	Config      *Config         // its polymorphic references keep parents
	DryRun      bool
	LockTimeout time.Duration // 0: 5 s
	Progress    *Progress     // nil: silent

	// Confirm is shown the plan before anything is written; nil: go ahead.
	Confirm func(context.Context, *UndoReport) (bool, error)
}

// undo is one under way. It uses the restore's ways of connecting, linking and
// committing; its tables are those that the restores filled.
type undo struct {
	*restore
	o       UndoOptions
	entries []*journal.Entry // newest first
	source  []journal.Table  // of all entries
	xids    []uint64         // one a source table: the transaction that wrote its rows
	report  *UndoReport
	remarks map[int]*remark // by source table
}

// Undo removes exactly the rows that restores inserted and that nobody has
// changed since, and cuts the links again that they restored, where they still
// are. A row is unchanged if its current version was written by the restore's
// own transaction (xmin): one that was merely touched is kept. A row that
// others refer to by now, and that are not removed with it, is kept too.
//
// It is one transaction, verified and put on record before it commits, as a
// deletion that can itself be restored. Errors are as Restore's.
func Undo(ctx context.Context, o UndoOptions) (report *UndoReport, err error) {
	began := time.Now()
	u := newUndo(o)
	defer o.Progress.Done()
	defer u.close()
	defer func() {
		if err != nil && ctx.Err() != nil && !u.committing {
			err = fmt.Errorf("%w: %w", ErrStopped, ctx.Err())
		}
	}()
	for _, step := range []func(context.Context) error{u.load, u.open, u.settle, u.prepare, u.remember, u.stage} {
		if err := step(ctx); err != nil {
			return nil, u.byEvents(ctx, err)
		}
	}
	if o.DryRun || o.Confirm != nil {
		if err := u.try(ctx, false); err != nil {
			return nil, err
		}
		if o.DryRun {
			return u.report, nil
		}
		o.Progress.Done()
		switch yes, err := o.Confirm(ctx, u.report); {
		case err != nil:
			return nil, err
		case !yes:
			return nil, ErrDeclined
		}
	}
	for try := 1; ; try++ {
		err := u.try(ctx, true)
		if err == nil || try == tries || !again(err) {
			var race *errRace
			if errors.As(err, &race) {
				err = race.last(try, "", u.blame())
			}
			if u.report != nil {
				u.report.Seconds = time.Since(began).Seconds()
			}
			return u.report, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Duration(rand.IntN(50*try)) * time.Millisecond):
		}
	}
}

func newUndo(o UndoOptions) *undo {
	return &undo{o: o, restore: &restore{
		o:     Options{Production: o.Production, Journal: o.Journal, Source: &Source{}, Config: o.Config, LockTimeout: o.LockTimeout, Progress: o.Progress},
		byOID: map[uint32]*table{}, feeds: map[int]*table{}, order: map[int][]string{}, byFeed: map[int]*link{},
	}, remarks: map[int]*remark{}}
}

// open connects, and refuses a server that is not the one that the restores
// were on: transaction ids mean nothing elsewhere.
func (u *undo) open(ctx context.Context) (err error) {
	if u.production, err = connect(ctx, "production", u.o.Production, u.entries[0].Database); err != nil {
		return err
	}
	u.hush(ctx)
	if err := u.production.exec(ctx, fmt.Sprintf("SET lock_timeout = %d", milliseconds(u.restore.o.lockTimeout()))); err != nil {
		return err
	}
	rows, err := u.production.rows(ctx, "SELECT system_identifier::text FROM pg_control_system()")
	if err != nil {
		return err
	}
	if err := u.restore.load(ctx); err != nil {
		return err
	}
	var problems []string
	for _, e := range u.entries {
		if e.Server.SystemID != "" && e.Server.SystemID != *rows[0][0] {
			problems = append(problems, fmt.Sprintf("%s was on another server than %s", e.ID, u.production.where()))
		}
	}
	if was, is := u.entries[0].Database, u.production.catalog.Database; was != is {
		problems = append(problems, fmt.Sprintf("%s was in database %s; this is %s", u.entries[0].ID, was, is))
	}
	if err := refuse(Usage, problems...); err != nil {
		return err
	}
	return u.configure(ctx, u.restore.o.config())
}

// prepare resolves the tables and asks for privileges.
func (u *undo) prepare(ctx context.Context) error {
	var problems []string
	for i := range u.source {
		st := &u.source[i]
		var err error
		if st.Via == journal.SoftDelete {
			err = u.addRemark(ctx, i, st)
		} else if len(st.Old) > 0 {
			err = u.addLink(ctx, i, st)
		} else {
			err = u.addFilled(ctx, i, st)
		}
		switch {
		case err != nil && u.failed(err):
			return err
		case err != nil:
			problems = append(problems, err.Error())
		}
	}
	if err := refuse(Unfit, problems...); err != nil {
		return err
	}
	var needs []need
	var read []*catalog.Table
	for _, t := range u.tables {
		read = append(read, t.live)
		for _, p := range []string{"SELECT", "DELETE", "UPDATE"} { // UPDATE locks them
			needs = append(needs, tableNeed(t.live, p))
		}
		for _, ref := range u.referring(t) {
			read = append(read, ref.Child)
			needs = append(needs, schemaNeed(ref.Child), tableNeed(ref.Child, "SELECT"))
		}
	}
	var parents []*catalog.Table
	for _, c := range u.planned() {
		above, below := u.around(c.live, c.columns, c.values)
		needs = append(append(needs, tableNeed(c.live, "SELECT"), tableNeed(c.live, "UPDATE")), childNeeds(slices.Concat(above, below))...)
		parents = append(parents, above...)
		read = slices.Concat(read, []*catalog.Table{c.live}, above, below)
	}
	for _, l := range u.links {
		read = append(read, l.ref.Parent)
	}
	hidden, err := u.production.hidden(ctx, read)
	if err != nil {
		return err
	}
	missing, err := u.production.missing(ctx, needs)
	if err != nil {
		return err
	}
	if err := refuse(Denied, append(hidden, u.production.grants(missing)...)...); err != nil {
		return err
	}
	if err := u.probeReplica(ctx, parents); err != nil {
		return err
	}
	for _, l := range u.links {
		if why := u.ruled(l); why != "" {
			problems = append(problems, "links cannot be cut again: "+why)
		}
	}
	return refuse(Unfit, problems...)
}

// remember notes what refers to rows that are removed, and what changed rows refer to or
// are referred to by.
func (u *undo) remember(ctx context.Context) error {
	for _, t := range u.tables {
		u.writes(t.live, u.referring(t)...)
	}
	for _, c := range u.planned() {
		a := u.asked(c)
		u.writes(c.live, slices.Concat(a.refs, a.referring)...)
	}
	for _, l := range u.links {
		u.writes(l.live, l.ref)
	}
	return u.asNoted(ctx)
}

// addFilled makes source table i one of the tables to remove rows from.
func (u *undo) addFilled(ctx context.Context, i int, st *journal.Table) error {
	live, err := u.liveTable(st)
	if err != nil {
		return err
	}
	live = live.Root()
	if why := unsupported(live); why != "" {
		return fmt.Errorf("table %s: %s", display(live), why)
	}
	key := u.renamed(live, namesOf(st.Key))
	if err := u.production.describe(ctx, live); err != nil {
		return err
	}
	t := u.byOID[live.OID]
	if t == nil {
		t = &table{live: live, detail: u.production.detail[live.OID], config: &TableConfig{}, key: key,
			in: fmt.Sprintf("pg_temp.rowback_undo_%d", len(u.tables)+1), left: fmt.Sprintf("pg_temp.rowback_gone_%d", len(u.tables)+1)}
		for _, d := range u.mapping.declare {
			if d.child == live {
				t.declared = append(t.declared, d.ref)
			}
		}
		u.byOID[live.OID] = t
		u.tables = append(u.tables, t)
	}
	if len(key) != len(t.key) {
		return fmt.Errorf("table %s: some of the restores went by a key, some without: undo them one by one", display(live))
	}
	for _, c := range key {
		if live.Column(c) == nil || !slices.Contains(t.key, c) || len(key) != len(t.key) {
			return fmt.Errorf("table %s has not the key (%s) any more that the restore went by", display(live), c)
		}
	}
	if len(key) > 0 && !t.detail.uniqueOn(key) {
		return fmt.Errorf("no unique index of %s is on its key any more; rows cannot be told apart", display(live))
	}
	u.feeds[i], u.order[i] = t, key
	return nil
}
