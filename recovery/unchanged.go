package recovery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rowback/rowback/catalog"
)

// The catalog is read once, and what is written goes by it: minutes later, where rows are
// staged in between, or somebody thinks about the plan. A table that has another foreign
// key, column or trigger by then would get rows, or lose some, that nobody has checked.

// definitions are what those of tables come to, by OID.
type definitions map[string]string

// load reads the catalogs of both sides, production's definitions first: what is
// altered while they are read, or later, is another one than was noted.
func (r *restore) load(ctx context.Context) error {
	return r.onBoth(func(s *side) (err error) {
		if s == r.production {
			if r.defined, err = s.definitions(ctx, allTables); err != nil {
				return err
			}
		}
		return s.load(ctx)
	})
}

// remember notes the tables that will be written, and by which references others are
// read. If one of them was altered while the catalog was read, it says so at once.
func (r *restore) remember(ctx context.Context) error {
	for _, t := range r.tables {
		r.writes(t.live, t.references()...)
		if t.mark.settable() {
			r.writes(t.live, r.asked(&change{live: t.live, columns: t.mark.columns}).referring...)
		}
	}
	for _, l := range r.links {
		a := r.asked(&change{live: l.live, columns: l.cut})
		r.writes(l.live, slices.Concat(a.refs, a.referring, []reference{l.ref})...)
	}
	return r.asNoted(ctx)
}

// writes notes a table, and references of it or to it.
func (r *restore) writes(t *catalog.Table, refs ...reference) {
	if r.written == nil {
		r.written = map[uint32]*catalog.Table{}
	}
	r.written[t.OID] = t
	r.beside = append(r.beside, refs...)
}

// unchanged keeps the definitions of the tables that are written as they are, to the end
// of the transaction, and the names of what is read beside them, and proves that they are
// what was planned with.
func (r *restore) unchanged(ctx context.Context) error {
	var names []string
	for _, o := range slices.Sorted(maps.Keys(r.written)) {
		names = append(names, r.written[o].QuotedName())
	}
	if len(names) == 0 {
		return nil
	}
	r.o.Progress.Start("waiting for migrations of these tables to end", 0)
	if err := r.lock(ctx, names, "ROW EXCLUSIVE"); err != nil {
		return err
	}
	names, err := r.lockable(ctx)
	if err != nil {
		return err
	}
	if err := r.lock(ctx, names, "ACCESS SHARE"); err != nil {
		return err
	}
	return r.asNoted(ctx)
}

func (r *restore) lock(ctx context.Context, names []string, mode string) error {
	if len(names) == 0 {
		return nil
	}
	err := r.production.exec(ctx, "LOCK TABLE "+strings.Join(names, ", ")+" IN "+mode+" MODE")
	if code := sqlState(err); code == "42P01" || code == "3F000" { // gone, or of another name
		return errReshaped(err.Error())
	}
	return err
}

// asNoted: the tables that are written are defined as they were before the catalog was
// read, and what is read beside them is called as it was then.
func (r *restore) asNoted(ctx context.Context) error {
	var oids []string
	for o := range r.written {
		oids = append(oids, strconv.FormatUint(uint64(o), 10))
	}
	if len(oids) == 0 {
		return nil
	}
	now, err := r.production.definitions(ctx, fmt.Sprintf("SELECT unnest(ARRAY[%s]::oid[]) UNION SELECT i.inhrelid FROM pg_inherits i JOIN t ON i.inhparent = t.oid", strings.Join(oids, ",")))
	if err != nil {
		return err
	}
	changed, err := r.renamedBeside(ctx)
	if err != nil {
		return err
	}
	for _, o := range oids {
		if now[o] == "" {
			changed = append(changed, r.nameOf(o))
		}
	}
	for o, is := range now {
		if r.defined[o] != is {
			changed = append(changed, r.nameOf(o))
		}
	}
	if len(changed) > 0 {
		slices.Sort(changed)
		return errReshaped(strings.Join(slices.Compact(changed), ", "))
	}
	return nil
}

func errReshaped(what string) error {
	return fmt.Errorf("the schema was changed since the plan was made (%s); nothing was written by this transaction, run it again", what)
}

// nameOf is a table's name where it is known.
func (r *restore) nameOf(oid string) string {
	o, _ := strconv.ParseUint(oid, 10, 32)
	if t := r.production.catalog.Tables[uint32(o)]; t != nil {
		return display(t)
	}
	return "a table that was not there"
}

// definitions of the tables t(oid) that a query selects.
func (s *side) definitions(ctx context.Context, tables string) (definitions, error) {
	out := definitions{}
	err := s.each(ctx, fmt.Sprintf(definitionsSQL, tables), func(row []*string) error {
		out[*row[0]] = *row[1]
		return nil
	})
	return out, err
}

const allTables = "SELECT oid FROM pg_class WHERE relkind IN ('r', 'p') AND relpersistence <> 't' AND oid >= 16384"

// definitionsSQL gives what is planned with of tables and their partitions: not the bodies of
// functions. An index that is not unique, a column's statistics, or another partition of a
// table that refers, are nothing to a restore.
const definitionsSQL = `
	WITH RECURSIVE t(oid) AS (%s),
	x(oid, item) AS (
		SELECT c.oid, concat_ws(' ', 'table', c.relname, c.relnamespace, c.relkind, c.relrowsecurity, c.relforcerowsecurity) FROM pg_class c JOIN t USING (oid)
		UNION ALL SELECT a.attrelid, concat_ws(' ', 'column', a.attnum, a.attname, a.atttypid, a.atttypmod, a.attcollation, a.attnotnull, a.attidentity, a.attgenerated) FROM pg_attribute a JOIN t ON a.attrelid = t.oid WHERE a.attnum > 0 AND NOT a.attisdropped
		UNION ALL SELECT d.adrelid, concat_ws(' ', 'default', d.oid) FROM pg_attrdef d JOIN t ON d.adrelid = t.oid
		UNION ALL SELECT c.conrelid, concat_ws(' ', 'constraint', c.oid, c.convalidated, c.condeferrable, c.condeferred) FROM pg_constraint c JOIN t ON t.oid = c.conrelid
		UNION ALL SELECT c.confrelid, concat_ws(' ', 'referred', c.oid, c.convalidated, c.condeferrable, c.condeferred) FROM pg_constraint c JOIN t ON t.oid = c.confrelid WHERE c.conparentid = 0
		UNION ALL SELECT g.tgrelid, concat_ws(' ', 'trigger', g.oid, g.tgenabled, g.tgfoid) FROM pg_trigger g JOIN t ON g.tgrelid = t.oid
		UNION ALL SELECT i.indrelid, concat_ws(' ', 'index', i.indexrelid, i.indisunique, i.indimmediate, i.indisvalid) FROM pg_index i JOIN t ON i.indrelid = t.oid WHERE i.indisunique OR i.indisexclusion
		UNION ALL SELECT i.inhrelid, concat_ws(' ', 'inherits', i.inhparent) FROM pg_inherits i JOIN t ON t.oid = i.inhrelid
		UNION ALL SELECT i.inhparent, concat_ws(' ', 'inherited', i.inhrelid) FROM pg_inherits i JOIN t ON t.oid = i.inhparent
		UNION ALL SELECT w.ev_class, concat_ws(' ', 'rule', w.oid, w.ev_enabled) FROM pg_rewrite w JOIN t ON w.ev_class = t.oid
		UNION ALL SELECT p.polrelid, concat_ws(' ', 'policy', p.oid) FROM pg_policy p JOIN t ON p.polrelid = t.oid
	)
	SELECT oid::text, sum(hashtextextended(item, 0))::text FROM x GROUP BY oid`
