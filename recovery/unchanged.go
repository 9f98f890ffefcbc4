package recovery

import (
	"context"
	"errors"
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

// remember notes the definitions of the tables that will be written, as they were read.
func (r *restore) remember(ctx context.Context, more ...*catalog.Table) (err error) {
	r.written = map[uint32]*catalog.Table{}
	for _, t := range r.tables {
		r.written[t.live.OID] = t.live
	}
	for _, l := range r.links {
		r.written[l.live.OID] = l.live
	}
	for _, t := range more {
		r.written[t.OID] = t
	}
	if r.defined, err = r.definitions(ctx); err != nil {
		return err
	}
	print, err := catalog.Fingerprint(ctx, catalog.FromConn(r.production.conn))
	if err != nil {
		return fmt.Errorf("production: %w", err)
	}
	if was := r.production.catalog.Fingerprint; was != "" && was != print {
		return errors.New("the schema of production was changed while it was read; nothing was written, run it again")
	}
	return nil
}

// unchanged keeps the definitions of the tables that are written as they are, to the end
// of the transaction, and proves that they are what was planned with.
func (r *restore) unchanged(ctx context.Context) error {
	var names []string
	for _, o := range slices.Sorted(maps.Keys(r.written)) {
		names = append(names, r.written[o].QuotedName())
	}
	if len(names) == 0 {
		return nil
	}
	r.o.Progress.Start("waiting for migrations of these tables to end", 0)
	err := r.production.exec(ctx, "LOCK TABLE "+strings.Join(names, ", ")+" IN ROW EXCLUSIVE MODE")
	if code := sqlState(err); err != nil && code != "42P01" && code != "3F000" { // gone, or of another name: told below
		return err
	} else if err != nil {
		return errReshaped(err.Error())
	}
	now, err := r.definitions(ctx)
	if err != nil {
		return err
	}
	var changed []string
	for o, was := range r.defined {
		if now[o] != was {
			changed = append(changed, r.nameOf(o))
		}
	}
	for o := range now {
		if _, known := r.defined[o]; !known {
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

func (r *restore) definitions(ctx context.Context) (definitions, error) {
	var oids []string
	for o := range r.written {
		oids = append(oids, strconv.FormatUint(uint64(o), 10))
	}
	if len(oids) == 0 {
		return nil, nil
	}
	out := definitions{}
	rows, err := r.production.rows(ctx, fmt.Sprintf(definitionsSQL, strings.Join(oids, ",")))
	for _, row := range rows {
		out[*row[0]] = *row[1]
	}
	return out, err
}

// definitionsSQL gives what is planned with of tables and their partitions: not the bodies of
// functions. An index that is not unique, or a column's statistics, are nothing to a restore.
const definitionsSQL = `
	WITH RECURSIVE t(oid) AS (SELECT unnest(ARRAY[%s]::oid[]) UNION SELECT i.inhrelid FROM pg_inherits i JOIN t ON i.inhparent = t.oid),
	x(oid, item) AS (
		SELECT c.oid, concat_ws(' ', 'table', c.relname, c.relnamespace, c.relkind, c.relrowsecurity, c.relforcerowsecurity) FROM pg_class c JOIN t USING (oid)
		UNION ALL SELECT a.attrelid, concat_ws(' ', 'column', a.attnum, a.attname, a.atttypid, a.atttypmod, a.attcollation, a.attnotnull, a.attidentity, a.attgenerated) FROM pg_attribute a JOIN t ON a.attrelid = t.oid WHERE a.attnum > 0 AND NOT a.attisdropped
		UNION ALL SELECT d.adrelid, concat_ws(' ', 'default', d.oid) FROM pg_attrdef d JOIN t ON d.adrelid = t.oid
		UNION ALL SELECT t.oid, concat_ws(' ', 'constraint', c.oid, c.convalidated, c.condeferrable, c.condeferred) FROM pg_constraint c JOIN t ON t.oid IN (c.conrelid, c.confrelid)
		UNION ALL SELECT g.tgrelid, concat_ws(' ', 'trigger', g.oid, g.tgenabled, g.tgfoid) FROM pg_trigger g JOIN t ON g.tgrelid = t.oid
		UNION ALL SELECT i.indrelid, concat_ws(' ', 'index', i.indexrelid, i.indisunique, i.indimmediate, i.indisvalid) FROM pg_index i JOIN t ON i.indrelid = t.oid WHERE i.indisunique OR i.indisexclusion
		UNION ALL SELECT t.oid, concat_ws(' ', 'inherits', i.inhrelid, i.inhparent) FROM pg_inherits i JOIN t ON t.oid IN (i.inhrelid, i.inhparent)
		UNION ALL SELECT w.ev_class, concat_ws(' ', 'rule', w.oid, w.ev_enabled) FROM pg_rewrite w JOIN t ON w.ev_class = t.oid
		UNION ALL SELECT p.polrelid, concat_ws(' ', 'policy', p.oid) FROM pg_policy p JOIN t ON p.polrelid = t.oid
	)
	SELECT oid::text, md5(string_agg(item, ',' ORDER BY item COLLATE "C")) FROM x GROUP BY oid`
