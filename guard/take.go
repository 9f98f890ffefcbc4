package guard

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/sqlparse"
)

// take notes what a TRUNCATE or DROP TABLE is about to take away: it locks the
// tables as the statement will, counts their rows and, unless they are too many,
// reads their keys. false: only temporary tables are named, or the server
// is in recovery and refuses it.
func (r *run) take(ctx context.Context) (bool, error) {
	if r.s.db.standby { // where it is one still, the transaction began as read-only, and stays that
		is, err := one(ctx, lookup{w: r.w}, "SELECT pg_catalog.pg_is_in_recovery()::pg_catalog.text")
		if err != nil || is == "true" {
			return false, r.told(err)
		}
	}
	if err := r.begin(ctx); err != nil {
		return false, err
	}
	level, err := one(ctx, lookup{w: r.w}, "SHOW transaction_isolation") // of a session without blocks it may be of before
	if err != nil {
		return false, r.told(err)
	}
	r.s.tx.fixed = fixes(level)
	if r.encoding, err = r.s.encoding(ctx, r.w); err != nil {
		return false, r.told(err)
	}
	if err := r.visible(ctx); err != nil {
		return false, r.told(err)
	}
	tables, temporary, err := r.targets(ctx)
	if err != nil {
		return false, r.told(err)
	}
	if len(tables) == 0 {
		return !temporary, nil // unknown names: the counters and filenodes decide
	}
	if why, err := r.hidden(ctx, tables); err != nil {
		return false, r.told(err)
	} else if why != "" { // the filenodes tell that the rows are gone, not how many there were
		r.st.why, r.taken = why, nil
		return true, nil
	}
	if r.s.rules.holds {
		if err := r.waitAhead(ctx, tables); err != nil {
			return false, err
		}
	}
	if err := r.lock(ctx, tables); err != nil {
		return false, r.told(err)
	}
	r.weighing = true
	rows, err := r.weigh(ctx, tables)
	r.weighing = false
	if r.doomed != nil { // unless the server refuses it for reasons of its own
		return true, nil
	}
	if err != nil {
		return false, err
	}
	for _, t := range tables {
		if r.st.Verb == sqlparse.Truncate {
			r.s.tx.empties(t.OID)
		}
		if rows[t] > 0 {
			if err := r.keep(ctx, t); err != nil {
				return false, r.told(err)
			}
		}
	}
	return true, nil
}

// weigh counts the rows of tables, notes them as removed, and judges that. What
// would only alert is judged when the statement has run. It returns the rows that
// can be kept.
func (r *run) weigh(ctx context.Context, tables []*catalog.Table) (map[*catalog.Table]int64, error) {
	rows := make(map[*catalog.Table]int64, len(tables))
	for _, t := range tables {
		n, same, err := r.rowsOf(ctx, t)
		if err != nil {
			return nil, r.told(err)
		}
		if n == 0 {
			continue
		}
		share := &r.s.tx.removals.tables[r.tookFrom(t)]
		if share.Rows += n; same {
			rows[t] = n
			continue
		}
		share.KeysCaptured, share.Why = false, changedSince
		r.s.imageOf(r.w, t, r.encoding).without(changedSince).note(share)
	}
	removed := r.since()
	if err := r.mayCount(ctx); err != nil {
		return nil, err
	}
	if err := r.askKinds(ctx, removed, true); err != nil { // ahead: under the lock there are none left
		return nil, err
	}
	for {
		v := r.judge(removed)
		if v.rule == nil || v.rule.Mode == policy.Alert {
			return rows, nil
		}
		if err := r.decide(ctx, v, removed); err != nil {
			return nil, err
		}
	}
}

// waitAhead lets a statement that is to be held wait before anything is locked. Its
// numbers may change until then; those that count are taken under the lock.
func (r *run) waitAhead(ctx context.Context, tables []*catalog.Table) error {
	r.ahead = true
	defer func() { r.ahead = false }()
	if _, err := r.weigh(ctx, tables); err != nil {
		return err
	}
	return r.unexpect()
}

// told reports a failed query of ours to the client.
func (r *run) told(err error) error {
	return r.fault(err)
}

// targets are the tables that hold the rows: the named ones, their partitions
// and children, and with TRUNCATE … CASCADE whatever references them, of which
// partitions go, too, but not what inherits.
func (r *run) targets(ctx context.Context) (tables []*catalog.Table, temporary bool, err error) {
	var all []*catalog.Table
	seen := map[*catalog.Table]bool{}
	r.taken = map[uint32]bool{}
	var add func(t *catalog.Table, heirs bool)
	add = func(t *catalog.Table, heirs bool) {
		if !seen[t] {
			seen[t], r.taken[t.OID], all = true, true, append(all, t)
			if t.Kind == 'r' || t.Kind == 'f' && r.st.Verb == sqlparse.Truncate {
				tables = append(tables, t)
			}
		}
		if heirs || t.Kind == 'p' {
			for _, c := range t.Children {
				add(c, heirs)
			}
		}
	}
	for i, n := range r.st.Targets {
		t, err := r.s.resolve(ctx, r.w, n)
		if err != nil {
			return nil, false, err
		}
		switch {
		case t == nil, seen[t]: // named twice, it counts as it was named first
		case t.Temporary:
			temporary = true
		default:
			add(t, i >= len(r.st.TargetsOnly) || !r.st.TargetsOnly[i])
		}
	}
	more, err := r.belonging(ctx)
	for _, t := range more {
		add(t, true)
	}
	for i := 0; i < len(all) && r.st.Verb == sqlparse.Truncate && r.st.Cascade; i++ {
		for _, fk := range all[i].ReferencedBy {
			if !seen[fk.Child] {
				add(fk.Child, false)
			}
		}
	}
	return tables, temporary, err
}

// belonging are the tables that go with the schemas or owners that are dropped.
// What else goes, the counters' second reading tells.
func (r *run) belonging(ctx context.Context) (tables []*catalog.Table, err error) {
	owned := map[uint32]bool{}
	if len(r.st.Owners) > 0 {
		rows, err := lookup{w: r.w}.Query(ctx, "SELECT c.oid::pg_catalog.text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_roles o ON o.oid OPERATOR(pg_catalog.=) c.relowner"+
			" WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p}'::pg_catalog.\"char\"[]) AND o.rolname::pg_catalog.text OPERATOR(pg_catalog.=) ANY (ARRAY["+strings.Join(r.st.Owners, ",")+"]::pg_catalog.text[])")
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			o, err := strconv.ParseUint(text(row[0]), 10, 32)
			if err != nil {
				return nil, err
			}
			owned[uint32(o)] = true
		}
	}
	for _, o := range slices.Sorted(maps.Keys(r.s.view.snap.Tables)) {
		t := r.s.view.snap.Tables[o]
		if (t.Kind == 'r' || t.Kind == 'p') && !t.Temporary && (owned[o] || slices.Contains(r.st.Schemas, t.Schema)) {
			tables = append(tables, t)
		}
	}
	return tables, nil
}

// hidden names the first table that the session's user may not read in full.
func (r *run) hidden(ctx context.Context, tables []*catalog.Table) (string, error) {
	var oids []string
	for _, t := range tables {
		oids = append(oids, strconv.FormatUint(uint64(t.OID), 10))
	}
	rows, err := lookup{w: r.w}.Query(ctx, "SELECT c.oid::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) ANY ('{"+strings.Join(oids, ",")+"}'::pg_catalog.oid[])"+
		" AND (NOT pg_catalog.has_table_privilege(c.oid, 'SELECT') OR NOT pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE') OR pg_catalog.row_security_active(c.oid)) LIMIT 1")
	if err != nil || len(rows) == 0 {
		return "", err
	}
	for _, t := range tables {
		if strconv.FormatUint(uint64(t.OID), 10) == text(rows[0][0]) {
			return "user " + r.s.info.User + " may not read all of " + t.QuotedName(), nil
		}
	}
	return "", nil
}

// lock takes the lock that the statement itself will take, so that nothing
// changes between the count and the removal.
func (r *run) lock(ctx context.Context, tables []*catalog.Table) error {
	var names []string
	for _, t := range tables {
		if t.Kind != 'f' { // the server can lock none
			names = append(names, t.QuotedName())
		}
	}
	if len(names) == 0 {
		return nil
	}
	// Outside a block LOCK is allowed inside a function only.
	_, err := lookup{w: r.w}.Query(ctx, "DO "+literal("BEGIN LOCK TABLE ONLY "+strings.Join(names, ", ONLY ")+" IN ACCESS EXCLUSIVE MODE; END"))
	return err
}

func (r *run) count(ctx context.Context, t *catalog.Table) (int64, error) {
	rows, err := lookup{w: r.w}.Query(ctx, "SELECT pg_catalog.count(*)::pg_catalog.text FROM ONLY "+t.QuotedName())
	if err != nil {
		return 0, err
	}
	if len(rows) != 1 {
		return 0, fmt.Errorf("%w: count", errMalformed)
	}
	return strconv.ParseInt(text(rows[0][0]), 10, 64)
}

// tookFrom is the index of a table's share.
func (r *run) tookFrom(t *catalog.Table) int { return r.s.tx.removals.table(r.shareOf(t)) }

// shareOf is a table's share before anything is known of it, named by its partition root.
func (r *run) shareOf(t *catalog.Table) journal.Table {
	root := t.Root()
	want := journal.Table{Schema: root.Schema, Name: root.Name, OID: root.OID, Via: journal.Truncate}
	if r.st.Verb == sqlparse.Drop {
		want.Via = journal.Drop
	}
	if want.Key = named(t, t.Key); len(want.Key) > 0 {
		want.KeysCaptured = true
	} else {
		want.Why = noKey
	}
	m := r.s.imageOf(r.w, t, r.encoding)
	if !m.covers(t) { // a partition that is being changed
		m = m.without("the table has other columns than the one it is a part of")
	}
	m.note(&want)
	return want
}

// keeps are expressions for what is kept of a row: its key, in so many columns, and its image.
func (r *run) keeps(qualifier string, t *catalog.Table, share *journal.Table) (exprs []string, keys int) {
	for _, c := range typed(t, t.Key) {
		x, err := sqlparse.KeyExpr(qualifier, c, r.encoding != "UTF8")
		if err != nil { // counted, not captured
			share.KeysCaptured, share.Why = false, err.Error()
			exprs = nil
			break
		}
		exprs = append(exprs, x)
	}
	keys = len(exprs)
	if share.RowsCaptured {
		exprs = append(exprs, sqlparse.ImageExpr(qualifier, image{columns: share.Columns}.parse(), r.encoding != "UTF8"))
	}
	return exprs, keys
}

// keep captures the keys of all rows of a table, and their images.
func (r *run) keep(ctx context.Context, t *catalog.Table) error {
	i := r.tookFrom(t)
	exprs, keys := r.keeps("x", t, &r.s.tx.removals.tables[i])
	if len(exprs) == 0 {
		return nil
	}
	r.plan = &plan{encoding: r.encoding}
	defer func() { r.plan = nil }()
	// Of a text both formats are the same.
	sendStatement(r.w, "SELECT "+strings.Join(exprs, ", ")+" FROM ONLY "+t.QuotedName()+" x", nil, bindFormats(private, private, []uint16{1}))
	r.w.Send('H', nil)
	for closed := 0; closed < 3; {
		typ, body, err := r.w.Receive(ctx)
		if err != nil {
			return err
		}
		switch typ {
		case '3':
			closed++
		case 'E':
			return refused(body)
		case 'D':
			cols, err := columns(body)
			if err != nil {
				return err
			}
			if len(cols) != len(exprs) {
				return fmt.Errorf("%w: %d columns of a row that is to be kept", errMalformed, len(cols))
			}
			if err := r.kept(i, cols[:keys], cols[keys:]); err != nil {
				return err
			}
		}
	}
	return nil
}

// kept adds one row of the table with index i: its key, and its image.
func (r *run) kept(i int, key, whole [][]byte) error {
	if len(key) > 0 {
		values, err := r.values(key)
		if err != nil {
			return err
		}
		if err := r.s.tx.keys.Add(journal.Row{Table: i, Values: values}); err != nil {
			return err
		}
	}
	for _, data := range whole {
		if err := r.s.tx.keys.AddImage(journal.Image{Table: i, Data: data}); err != nil {
			return err
		}
	}
	return nil
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
