package protect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/catalog"
)

// Plan is what Install or Remove does, or with a dry run would do.
type Plan struct {
	// SQL are the statements, run in one transaction. Empty: all is as it
	// should be.
	SQL    []string
	Tables []Change
	Notes  []string // what people should know, a line each
	DryRun bool
}

// Change is what happens to one table.
type Change struct {
	Schema string `json:"schema"`
	Table  string `json:"table"`
	Action string `json:"action"` // "guard", "mend", "keep" or "release"
	Limits string `json:"limits,omitempty"`
	Why    string `json:"why"` // "asked for", or that it follows
}

// WriteSQL writes the plan as a script.
func (p *Plan) WriteSQL(w io.Writer) error {
	if len(p.SQL) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "BEGIN;\n%s;\nCOMMIT;\n", strings.Join(p.SQL, ";\n"))
	return err
}

// lockKey is for pg_advisory_xact_lock: one Install or Remove at a time.
const lockKey = 0x726f776261636b // "rowback"

// pinned: nobody's function or operator takes the place of the server's.
const pinned = "SET LOCAL search_path = pg_catalog"

// change reads the state, plans, and carries the plan out, all in one transaction.
func change(ctx context.Context, conn *pgx.Conn, wait time.Duration, dryRun bool, make func(context.Context, *planner) error) (*Plan, error) {
	p := &planner{plan: &Plan{DryRun: dryRun}}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // after COMMIT it has no effect
	head := []string{fmt.Sprintf("SELECT pg_catalog.pg_advisory_xact_lock(%d)", lockKey)}
	if wait > 0 {
		head = append(head, fmt.Sprintf("SET LOCAL lock_timeout = '%dms'", wait.Milliseconds()))
	}
	head = append(head, pinned)
	for i, sql := range head {
		if dryRun && i < len(head)-1 {
			continue // nothing is to wait for
		}
		if _, err := tx.Exec(ctx, sql); err != nil {
			return nil, explain(err, sql)
		}
	}
	if p.state, err = readState(ctx, conn); err != nil {
		return nil, err
	}
	if err := make(ctx, p); err != nil {
		return nil, err
	}
	if len(p.plan.SQL) == 0 {
		return p.plan, nil
	}
	run := p.plan.SQL
	p.plan.SQL = append(head, run...)
	if dryRun {
		return p.plan, nil
	}
	for _, sql := range run {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return nil, explain(err, sql)
		}
	}
	return p.plan, tx.Commit(ctx)
}

// explain says at which statement a plan failed, and what to do.
func explain(err error, sql string) error {
	var e *pgconn.PgError
	first, _, _ := strings.Cut(sql, "\n")
	if !errors.As(err, &e) {
		return fmt.Errorf("%w, at %s", err, first)
	}
	switch e.Code {
	case "55P03":
		return fmt.Errorf("a lock was not to be had in time, at %s: others are busy with that table; nothing was changed, run this again or with a longer --lock-timeout", first)
	case "42501":
		return fmt.Errorf("%w (nothing was changed; it was %s)", &DeniedError{Role: "of this connection", Missing: []string{e.Message}}, first)
	}
	return fmt.Errorf("%s (SQLSTATE %s), at %s; nothing was changed", e.Message, e.Code, first)
}

// planner gathers a plan. Its state follows: guarded and functions are as they will be.
type planner struct {
	*state
	plan *Plan
}

func (p *planner) add(sql ...string) { p.plan.SQL = append(p.plan.SQL, sql...) }
func (p *planner) note(format string, args ...any) {
	p.plan.Notes = append(p.plan.Notes, fmt.Sprintf(format, args...))
}
func (p *planner) changed(t *catalog.Table, c Change) {
	c.Schema, c.Table = t.Schema, t.Name
	p.plan.Tables = append(p.plan.Tables, c)
}

// wanted are a table's triggers and functions as they should be.
func (s *state) wanted(t *catalog.Table, a arguments) ([]trigger, []function) {
	triggers, functions := s.linksWanted(t, a)
	if a.role == linked {
		return triggers, functions
	}
	shape := shapeOf(t, s.columns[t.OID])
	onDelete, onTruncate := deleteFunction(shape), truncateFunction(t, shape)
	return append(triggersFor(a, onDelete, onTruncate), triggers...), append([]function{onDelete, onTruncate}, functions...)
}

// table plans one table's functions and triggers. Whether anything changes.
func (p *planner) table(t *catalog.Table, a arguments) bool {
	triggers, functions := p.wanted(t, a)
	for _, f := range functions {
		if p.functions[f.name] != f.body {
			p.add(f.sql(), "REVOKE ALL ON FUNCTION rowback."+f.name+"() FROM PUBLIC")
			p.functions[f.name] = f.body
		}
	}
	have := map[string]trigger{}
	if g := p.guarded[t.OID]; g != nil {
		have = maps.Clone(g.triggers)
	}
	before := len(p.plan.SQL)
	var create []string
	for _, want := range triggers {
		is, ok := have[want.name]
		delete(have, want.name)
		switch {
		case ok && is.same(want) && is.fires():
		case ok && is.same(want):
			create = append(create, "ALTER TABLE "+t.QuotedName()+" ENABLE TRIGGER "+want.name)
		default:
			if ok {
				p.add(dropTriggerOn(want.name, t.QuotedName()))
			}
			create = append(create, want.create(t.QuotedName()))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		p.add(dropTriggerOn(name, t.QuotedName()))
	}
	p.add(create...)
	will := &guarded{table: t, triggers: map[string]trigger{}, arguments: a}
	for _, want := range triggers {
		will.triggers[want.name] = want
	}
	p.guarded[t.OID] = will
	return len(p.plan.SQL) > before
}

// release plans a table's triggers away.
func (p *planner) release(t *catalog.Table) {
	for _, name := range slices.Sorted(maps.Keys(p.guarded[t.OID].triggers)) {
		p.add(dropTriggerOn(name, t.QuotedName()))
	}
	delete(p.guarded, t.OID)
}

// sweep drops the functions of tables that no trigger uses.
func (p *planner) sweep() {
	used := map[string]bool{}
	for _, g := range p.guarded {
		for _, t := range g.triggers {
			used[t.function] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.functions)) {
		generated := strings.HasPrefix(name, deletePrefix) || strings.HasPrefix(name, truncatePrefix) || strings.HasPrefix(name, linkPrefix)
		if generated && !used[name] {
			p.add("DROP FUNCTION rowback." + name + "()")
			delete(p.functions, name)
		}
	}
}

// owns refuses tables that the role may not give triggers to, or take them from.
func (p *planner) owns(tables []*catalog.Table) error {
	var missing []string
	for _, t := range sorted(tables) {
		if !p.owned[t.OID] {
			missing = append(missing, "it does not own "+show(t))
		}
	}
	if len(missing) > 0 {
		return &DeniedError{Role: p.role, Missing: append(missing, "run this as the owner, or as a superuser")}
	}
	return nil
}

// mine refuses a schema that another role owns: its owner could turn functions
// that run with this role's rights against it.
func (p *planner) mine() error {
	switch {
	case p.owner != "" && p.owner != p.role:
		return &DeniedError{Role: p.role, Missing: []string{"schema rowback belongs to role " + p.owner + ": run this as " + p.owner}}
	case p.owner == "" && !p.mayCreate:
		return &DeniedError{Role: p.role, Missing: []string{"it may not create schemas in database " + p.snap.Database}}
	case p.version > Version:
		return fmt.Errorf("%w: version %d, this one knows %d", ErrNewer, p.version, Version)
	}
	return nil
}
