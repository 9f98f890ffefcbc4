package recovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// Outlook is what a restore begun now would run into, whatever the deletion.
type Outlook struct {
	Tables   int      // of production whose rows could be asked for
	Config   []string // what is wrong with the configuration of restores
	Missing  []string // tables that the recovery database lacks
	Unfit    []string // why rows of a table could not be restored
	Keyless  []string // tables without an identity key: their rows cannot be told apart
	Denied   []string // privileges that are missing, each as its mend
	Warnings []string // what restored rows would not have as it was
	// Loud is why triggers could not be kept quiet, LoudMend the mend; "" if they could.
	Loud, LoudMend string
	Always         []string // triggers that fire all the same (ENABLE ALWAYS or REPLICA)
}

// Foresee looks at every table of production as a restore would, and at the
// recovery database's side of it; recovery nil: at production's alone. Nothing is
// written. Whether rows are in the recovery database it does not ask. Neither
// session may be in a transaction.
func Foresee(ctx context.Context, production, recovery *Session, config *Config) (out *Outlook, err error) {
	r := &restore{o: Options{Config: config}, production: production.side, byOID: map[uint32]*table{}}
	if recovery != nil {
		r.recovery = recovery.side
		if err := recovery.Snapshot(ctx); err != nil { // the configuration's SQL is tried in it
			return nil, err
		}
		defer func() {
			if endErr := r.recovery.exec(ctx, "ROLLBACK"); err == nil {
				err = endErr
			}
		}()
	}
	for _, s := range r.sides() {
		if s.catalog == nil {
			if err := s.load(ctx); err != nil {
				return nil, err
			}
		}
	}
	out = &Outlook{}
	var refusal *Refusal
	if err := r.configure(ctx, r.o.config()); errors.As(err, &refusal) {
		out.Config = refusal.Problems
	} else if err != nil {
		return nil, err
	}
	var tables []*catalog.Table
	for _, t := range r.production.catalog.Tables {
		if HoldsRows(t) && r.skipped(&journal.Table{Schema: t.Schema, Name: t.Name}) == nil {
			tables = append(tables, t)
		}
	}
	slices.SortFunc(tables, func(a, b *catalog.Table) int { return strings.Compare(display(a), display(b)) })
	out.Tables = len(tables)
	if err := r.foreseeTables(ctx, tables, out); err != nil {
		return nil, err
	}
	return out, r.foreseeRights(ctx, out)
}

// ForeseeReading looks at the recovery database alone: what of it this role may
// not read, each as its mend.
func ForeseeReading(ctx context.Context, recovery *Session) (denied []string, err error) {
	s := recovery.side
	if s.catalog == nil {
		if err := s.load(ctx); err != nil {
			return nil, err
		}
	}
	var tables []*catalog.Table
	for _, t := range s.catalog.Tables {
		if HoldsRows(t) {
			tables = append(tables, t)
		}
	}
	slices.SortFunc(tables, func(a, b *catalog.Table) int { return strings.Compare(display(a), display(b)) })
	if denied, err = s.hidden(ctx, tables); err != nil {
		return nil, err
	}
	var needs []need
	for _, t := range tables {
		needs = append(needs, schemaNeed(t), tableNeed(t, "SELECT"))
	}
	missing, err := s.missing(ctx, needs)
	return append(denied, s.grants(missing)...), err
}

func (r *restore) foreseeTables(ctx context.Context, tables []*catalog.Table, out *Outlook) error {
	var both, copies []*catalog.Table
	for _, t := range tables {
		if r.recovery == nil {
			both = append(both, t)
		} else if b, err := r.backupTable(t); err == nil {
			both, copies = append(both, t), append(copies, b)
		} else {
			out.Missing = append(out.Missing, display(t))
		}
		for _, g := range t.Triggers {
			if g.Enabled == 'A' || g.Enabled == 'R' {
				out.Always = append(out.Always, fmt.Sprintf("%s on %s (%s)", g.Name, display(t), g.Event))
			}
		}
	}
	// All at once: one by one would take queries for each.
	if err := r.production.describe(ctx, both...); err != nil {
		return err
	}
	if r.recovery != nil {
		if err := r.recovery.describe(ctx, copies...); err != nil {
			return err
		}
	}
	for _, t := range both {
		if len(t.Key) == 0 {
			out.Keyless = append(out.Keyless, display(t))
			continue
		}
		_, err := r.table(ctx, t, nil, true)
		var refusal *Refusal
		switch {
		case err == nil:
		case errors.As(err, &refusal) && refusal.Kind == Usage:
			out.Config = append(out.Config, refusal.Problems...)
		case ctx.Err() != nil || sqlState(err) != "":
			return err
		default:
			out.Unfit = append(out.Unfit, err.Error())
		}
	}
	out.Warnings = r.warnings
	return nil
}

func (r *restore) foreseeRights(ctx context.Context, out *Outlook) error {
	err := r.checkAll(ctx, r.tables)
	var refusal *Refusal
	if errors.As(err, &refusal) {
		out.Denied = refusal.Problems
		parents, perr := r.parents(ctx, r.tables)
		if perr != nil {
			return perr
		}
		err = r.probeReplica(ctx, parents)
		if errors.As(err, &refusal) {
			out.Denied, err = append(out.Denied, refusal.Problems...), nil
			out.Denied = slices.Compact(out.Denied) // it may have been that alone
		}
	}
	out.Loud, out.LoudMend = r.why, r.mend
	return err
}
