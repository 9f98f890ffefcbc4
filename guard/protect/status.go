package protect

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/catalog"
)

// Status is what a database has of the guard.
type Status struct {
	Database  string        `json:"database"`
	Installed bool          `json:"installed"`
	Version   int           `json:"version,omitempty"` // 0: the role may not read it
	Drops     string        `json:"drops"`             // "watched", "not watched" or "disabled"
	Tickets   bool          `json:"tickets"`           // the triggers can tell what the proxy answers for
	Tables    []TableStatus `json:"tables"`
}

// TableStatus is one table's guard.
type TableStatus struct {
	Schema    string `json:"schema"`
	Table     string `json:"table"`
	Why       string `json:"why"` // "asked for", "follows …", or "not guarded"
	Mode      Mode   `json:"mode,omitempty"`
	Threshold int64  `json:"threshold,omitempty"`
	Version   int    `json:"version,omitempty"`
	// Partitions, and tables that inherit from it, in all and those covered.
	Partitions int `json:"partitions,omitempty"`
	Covered    int `json:"partitions_covered,omitempty"`
	// Missing are the tables that should follow it and do not: partitions,
	// children, and what a DELETE cascades to.
	Missing  []string `json:"missing,omitempty"`
	Disabled []string `json:"disabled,omitempty"` // triggers
	Problems []string `json:"problems,omitempty"` // all that is amiss, for people
}

// OK reports whether everything shown is covered.
func (s *Status) OK() bool {
	return !slices.ContainsFunc(s.Tables, func(t TableStatus) bool { return len(t.Problems) > 0 })
}

// ReadStatus looks at the named tables, or at all that are guarded. Any role
// may. Errors: *RequestError.
func ReadStatus(ctx context.Context, conn *pgx.Conn, names []string) (*Status, error) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly, IsoLevel: pgx.RepeatableRead})
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := tx.Exec(ctx, pinned); err != nil {
		return nil, err
	}
	s, err := readState(ctx, conn)
	if err != nil {
		return nil, err
	}
	out := &Status{Database: s.snap.Database, Installed: s.installed(), Version: s.version, Tickets: s.tickets, Drops: "watched", Tables: []TableStatus{}}
	switch s.event {
	case 0:
		out.Drops = "not watched"
	case 'D', 'R':
		out.Drops = "disabled"
	}
	asked := s.named()
	want := s.desired(asked)
	show := slices.Collect(maps.Keys(want))
	for _, g := range s.guarded {
		if _, ok := want[g.table]; !ok {
			show = append(show, g.table)
		}
	}
	if len(names) > 0 {
		found, _, err := s.resolve(names)
		if err != nil {
			return nil, err
		}
		show = nil
		for _, t := range found {
			with := reach(t, false)
			if asked[t].role != alone {
				with = withLinks(t)
			}
			for _, x := range with {
				if !slices.Contains(show, x) {
					show = append(show, x)
				}
			}
		}
	}
	if err := s.details(ctx, show); err != nil {
		return nil, err
	}
	for _, t := range sorted(show) {
		out.Tables = append(out.Tables, s.table(t, asked, want))
	}
	return out, nil
}

// Guards reports whether any table has triggers of the guard's. Any role may ask.
func Guards(ctx context.Context, q catalog.Querier) (bool, error) {
	rows, err := q.Query(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
		JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'rowback' AND t.tgname <> 'rowback_net' AND NOT t.tgisinternal)`)
	return err == nil && len(rows) == 1 && text(rows[0][0]) == "t", err
}

func (s *state) table(t *catalog.Table, asked, want map[*catalog.Table]arguments) TableStatus {
	out := TableStatus{Schema: t.Schema, Table: t.Name, Why: "not guarded"}
	g := s.guarded[t.OID]
	a, wanted := want[t]
	switch {
	case wanted && a.role == linked:
		out.Why = s.parents(t)
	case wanted && a.role != follows:
		out.Why = "asked for"
	case wanted:
		out.Why = "follows " + leaders(t, asked)
	}
	for _, x := range reach(t, false)[1:] {
		out.Partitions++
		if s.guarded[x.OID] != nil {
			out.Covered++
		}
	}
	problem := func(format string, args ...any) { out.Problems = append(out.Problems, fmt.Sprintf(format, args...)) }
	if why := unguardable(t); why != "" {
		problem("cannot be guarded: %s", why)
		return out
	}
	if g == nil {
		problem("it has no triggers")
		return out
	}
	out.Mode, out.Threshold, out.Version = g.arguments.limits.Mode, g.arguments.limits.Threshold, g.arguments.version
	if !wanted {
		problem("nothing that is asked for leads to it any more")
		a = g.arguments
	}
	s.triggers(t, g, a, &out)
	for _, x := range reach(t, a.role != alone)[1:] {
		if s.guarded[x.OID] == nil {
			out.Missing = append(out.Missing, show(x))
		}
	}
	if len(out.Missing) > 0 {
		problem("not covered: %s", strings.Join(out.Missing, ", "))
	}
	return out
}

// triggers compares a table's triggers with what they should be.
func (s *state) triggers(t *catalog.Table, g *guarded, a arguments, out *TableStatus) {
	triggers, functions := s.wanted(t, a)
	stale := false
	for _, f := range functions {
		stale = stale || s.functions[f.name] != "" && s.functions[f.name] != f.body
	}
	for _, w := range triggers {
		is, ok := g.triggers[w.name]
		switch {
		case !ok:
			out.Problems = append(out.Problems, "trigger "+w.name+" is missing")
		case !is.fires():
			out.Disabled = append(out.Disabled, w.name)
			out.Problems = append(out.Problems, "trigger "+w.name+" is disabled")
		case !is.same(w):
			stale = true
		}
	}
	switch {
	case g.arguments.version != Version:
		out.Problems = append(out.Problems, fmt.Sprintf("installed by version %d, this is %d", g.arguments.version, Version))
	case stale:
		out.Problems = append(out.Problems, "out of date: its key, its name or its limits have changed since")
	}
}
