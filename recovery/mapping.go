package recovery

import (
	"context"
	"fmt"
	"slices"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// mapping is the configuration as it fits the two databases.
type mapping struct {
	byOID   map[uint32]*TableConfig // of production's tables
	skip    []*TableConfig          // tables left out, there or not
	declare []declared
}

// declared is a polymorphic reference before it is known which of its tables take part.
type declared struct {
	child *catalog.Table
	ref   reference
}

// configure checks the configuration against production. A name that means
// nothing there is refused: what is misspelt would silently not be done.
func (r *restore) configure(ctx context.Context, c *Config) error {
	r.mapping = mapping{byOID: map[uint32]*TableConfig{}}
	var problems []string
	for i := range c.Tables {
		t := &c.Tables[i]
		live, err := findNamed(r.production.catalog, t.Name)
		switch {
		case t.Skip:
			r.mapping.skip = append(r.mapping.skip, t)
		case err != nil:
			problems = append(problems, fmt.Sprintf("configuration, restore.tables (line %d): %v", t.line, err))
			continue
		}
		if live != nil {
			r.mapping.byOID[live.Root().OID] = t
		}
	}
	for i := range c.Polymorphic {
		if err := r.declare(&c.Polymorphic[i]); err != nil {
			problems = append(problems, fmt.Sprintf("configuration, restore.polymorphic (line %d): %v", c.Polymorphic[i].line, err))
		}
	}
	for _, d := range r.mapping.declare {
		if err := r.compare(ctx, d); err != nil {
			return err
		}
	}
	return refuse(Usage, problems...)
}

// compare settles how the columns of a declared reference are compared: as either of
// them, unless that is a plain enum and the other a domain over it.
func (r *restore) compare(ctx context.Context, d declared) error {
	parent, child := d.ref.Parent, d.child
	if err := r.production.describe(ctx, parent, child); err != nil {
		return err
	}
	how := r.production.detail[parent.OID].equal(d.ref.ParentColumns[0])
	if how.Enum == "" {
		how = r.production.detail[child.OID].equal(d.ref.Columns[0])
	}
	d.ref.Compare = []catalog.Comparison{how}
	return nil
}

func findNamed(s *catalog.Snapshot, name string) (*catalog.Table, error) {
	schema, table := journal.SplitName(name)
	return find(s, schema, table)
}

func (r *restore) declare(p *Polymorphic) error {
	child, err := findNamed(r.production.catalog, p.Table)
	if err != nil {
		return err
	}
	child = child.Root()
	for _, c := range []string{p.Type, p.ID} {
		if child.Column(c) == nil {
			return fmt.Errorf("table %s has no column %s", display(child), c)
		}
	}
	for _, target := range p.Targets {
		parent, err := findNamed(r.production.catalog, target.Table)
		if err != nil {
			return err
		}
		parent = parent.Root()
		column := target.Column
		if column == "" {
			if len(parent.Key) != 1 {
				return fmt.Errorf("table %s has no key of one column; say which column the id holds: {table: %[1]s, column: …}", display(parent))
			}
			column = parent.Key[0]
		}
		if parent.Column(column) == nil {
			return fmt.Errorf("table %s has no column %s", display(parent), column)
		}
		r.mapping.declare = append(r.mapping.declare, declared{child, reference{
			ForeignKey: &catalog.ForeignKey{
				Name:  fmt.Sprintf("(%s %s, %s) to %s", p.Type, literal(target.Value), p.ID, display(parent)),
				Child: child, Columns: []string{p.ID}, Parent: parent, ParentColumns: []string{column},
			},
			typeColumn: p.Type, typeValue: target.Value,
			asText: child.Column(p.ID).BaseType != parent.Column(column).BaseType,
		}})
	}
	return nil
}

// skipped is the configuration that leaves a source table out, or nil.
func (r *restore) skipped(st *journal.Table) *TableConfig {
	for _, c := range r.mapping.skip {
		schema, name := journal.SplitName(c.Name)
		if name == st.Name && (schema == st.Schema || schema == "" || st.Schema == "") {
			return c
		}
		if live, err := find(r.production.catalog, st.Schema, st.Name); err == nil && r.mapping.byOID[live.Root().OID] == c {
			return c
		}
	}
	return nil
}

// liveTable is where rows of a source table go in production: the table of
// that name, the one that the configuration says it has become, or, of a
// partition that is there no more, its root.
func (r *restore) liveTable(st *journal.Table) (*catalog.Table, error) {
	live, err := find(r.production.catalog, st.Schema, st.Name)
	for oid, c := range r.mapping.byOID {
		if c.From == "" {
			continue
		}
		schema, name := journal.SplitName(c.From)
		if name == st.Name && (schema == st.Schema || schema == "" || st.Schema == "") && (err != nil || st.OID == oid) {
			return r.production.catalog.Tables[oid], nil
		}
	}
	if err == nil {
		return live, nil
	}
	if r.recovery == nil && r.o.Source.Images == nil { // an undo
		return nil, fmt.Errorf("production: %w", err)
	}
	var backup *catalog.Table
	if r.recovery != nil {
		backup, _ = find(r.recovery.catalog, st.Schema, st.Name)
	}
	if backup != nil && backup.Partition {
		if root, _ := find(r.production.catalog, backup.Root().Schema, backup.Root().Name); root != nil {
			return root, nil
		}
	}
	return nil, fmt.Errorf("production: %w%s", err, r.without(st, backup))
}

// without is the way out where production has no table for the rows of a source table;
// backup is that table in the recovery database, nil if it is not there.
func (r *restore) without(st *journal.Table, backup *catalog.Table) string {
	name := sourceName(st)
	skip := fmt.Sprintf("leave it out in the configuration: restore: {tables: {%s: {skip: true}}}", name)
	switch moved := r.production.catalog.Tables[st.OID]; {
	case moved != nil && st.OID != 0:
		return fmt.Sprintf("; is it %s now? Then say so in the configuration: restore: {tables: {%[1]s: {from: %s}}}", display(moved), name)
	case r.o.Source.fromFile():
		return ""
	case backup != nil:
		return fmt.Sprintf("; to have it back make it anew, empty, and restore again: pg_dump -s -t '%s' RECOVERY | psql PRODUCTION; if it was dropped on purpose, %s", name, skip)
	case r.whole(st):
		return "; to have it back make it anew, empty and with its columns of then, and restore again: its rows are in the journal; if it was dropped on purpose, " + skip
	case r.recovery != nil:
		return "; the recovery database does not have it either: restore from an older backup, or " + skip
	}
	return "; " + skip
}

// backupTable is where rows of a live table come from.
func (r *restore) backupTable(live *catalog.Table) (*catalog.Table, error) {
	if c := r.mapping.byOID[live.OID]; c != nil && c.From != "" {
		return findNamed(r.recovery.catalog, c.From)
	}
	return find(r.recovery.catalog, live.Schema, live.Name)
}

// adopt gives t what the configuration says about it.
func (r *restore) adopt(t *table) error {
	t.config = r.mapping.byOID[t.live.OID]
	if t.config == nil {
		t.config = &TableConfig{}
	}
	for _, d := range r.mapping.declare {
		if d.child == t.live {
			t.declared = append(t.declared, d.ref)
		}
		if d.ref.Parent == t.live {
			t.referred = append(t.referred, d.ref.ParentColumns...)
		}
	}
	bad := func(format string, args ...any) error {
		return refuse(Usage, fmt.Sprintf("configuration, restore.tables.%s (line %d): ", t.config.Name, t.config.line)+fmt.Sprintf(format, args...))
	}
	for old, now := range t.config.Rename {
		switch {
		case t.backup != nil && t.backup.Column(old) == nil:
			return bad("rename: table %s in the recovery database has no column %s", display(t.backup), old)
		case t.live.Column(now) == nil:
			return bad("rename: table %s in production has no column %s", t.name(), now)
		}
	}
	for c := range t.config.Columns {
		live := t.live.Column(c)
		switch {
		case live == nil:
			return bad("columns: table %s in production has no column %s", t.name(), c)
		case live.Generated:
			return bad("columns: %s is a generated column; production makes its values", c)
		case slices.Contains(t.key, c):
			return bad("columns: %s is of the key by which rows are found; it cannot be another", c)
		}
	}
	return nil
}

// proveSQL has the recovery database parse the configuration's expressions for
// t, so that a mistake in one is known by its name before rows are read.
func (r *restore) proveSQL(ctx context.Context, t *table) error {
	try := func(key, sql string) error {
		if err := r.recovery.exec(ctx, "SAVEPOINT rowback_try"); err != nil {
			return err
		}
		// Prepared, not run: and one statement, whatever it holds.
		_, err := r.recovery.conn.PgConn().Prepare(ctx, "", fmt.Sprintf("SELECT (%s) FROM %s", sql, only(t.backup)), nil)
		if back := r.recovery.exec(ctx, "ROLLBACK TO rowback_try"); back != nil {
			return back
		}
		if err != nil {
			return refuse(Usage, fmt.Sprintf("configuration, restore.tables.%s.%s (line %d): %v", t.config.Name, key, t.config.line, err))
		}
		return nil
	}
	if !t.configured() {
		return nil
	}
	return r.recovery.own(ctx, func() error {
		if t.config.Where != "" {
			if err := try("where", "("+t.config.Where+") IS TRUE"); err != nil {
				return err
			}
		}
		for c, sql := range t.config.Columns {
			if err := try("columns."+c, sql); err != nil {
				return err
			}
		}
		return nil
	})
}
