package guard

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/proxy"
	"github.com/rowback/rowback/sqlparse"
)

// resolve finds the table that a name means in this session, nil if none that
// the snapshot knows.
func (s *session) resolve(ctx context.Context, w proxy.Wire, n sqlparse.Name) (*catalog.Table, error) {
	rows, err := lookup{w: w}.Query(ctx, "SELECT "+toRegclass(n)+"::pg_catalog.oid::pg_catalog.text")
	if err != nil || len(rows) != 1 || rows[0][0] == nil {
		return nil, err
	}
	var o uint32
	if _, err := fmt.Sscan(*rows[0][0], &o); err != nil {
		return nil, err
	}
	if t := s.view.snap.Tables[o]; t != nil {
		return t, nil
	}
	return s.newer(ctx, w, o)
}

// newer looks for a table that the snapshot does not know: made past the proxy
// since, and the catalog is read again; or a temporary one, made in a function.
func (s *session) newer(ctx context.Context, w proxy.Wire, o uint32) (*catalog.Table, error) {
	persistence, err := one(ctx, lookup{w: w}, fmt.Sprintf("SELECT relpersistence FROM pg_catalog.pg_class WHERE oid OPERATOR(pg_catalog.=) '%d'::pg_catalog.oid", o))
	if err != nil || persistence == "" || persistence == "t" {
		return nil, err
	}
	if v := s.db.view.Load(); !s.private && v != nil && v.snap.Tables[o] != nil { // another session has read it
		s.view = v
		s.epoch++
		return v.snap.Tables[o], nil
	}
	var snap *catalog.Snapshot
	if err := atEase(ctx, lookup{w: w}, func() (err error) {
		snap, err = catalog.Load(ctx, lookup{w: w})
		return err
	}); err != nil {
		return nil, err
	}
	s.view, s.private, s.readIn = newView(snap), true, s.exchange // it may show what this transaction alone has changed
	s.implied = !s.inBlock(w)
	s.epoch++
	s.db.announce()
	return s.view.snap.Tables[o], nil
}

// barred are the tables of the steps that the session's user may not read, and those
// whose rows they may not lock: why not.
func (s *session) barred(ctx context.Context, w proxy.Wire, steps []catalog.Step) (unreadable map[uint32]bool, unlockable map[uint32]string, err error) {
	var q strings.Builder
	q.WriteString("SELECT c.oid::pg_catalog.text, (NOT (pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE'))" +
		" OR c.relrowsecurity AND pg_catalog.current_setting('row_security') OPERATOR(pg_catalog.=) 'off' AND pg_catalog.row_security_active(c.oid))::pg_catalog.text," +
		" CASE WHEN pg_catalog.row_security_active(c.oid) THEN 'policy' WHEN NOT pg_catalog.has_any_column_privilege(c.oid, 'UPDATE') THEN 'privilege' END" +
		" FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) ANY (ARRAY[")
	for i, st := range steps {
		if i > 0 {
			q.WriteByte(',')
		}
		fmt.Fprint(&q, st.Table.OID)
	}
	q.WriteString("]::pg_catalog.oid[])")
	rows, err := lookup{w: w}.Query(ctx, q.String())
	if err != nil {
		return nil, nil, err
	}
	unreadable, unlockable = make(map[uint32]bool, len(rows)), make(map[uint32]string, len(rows))
	for _, r := range rows {
		parsed, err := strconv.ParseUint(text(r[0]), 10, 32)
		if err != nil {
			return nil, nil, err
		}
		o := uint32(parsed)
		unreadable[o] = text(r[1]) == "true"
		switch text(r[2]) {
		case "policy":
			unlockable[o] = "row-level security may keep user " + s.info.User + " from locking them"
		case "privilege":
			unlockable[o] = "user " + s.info.User + " may not lock them (UPDATE)"
		}
	}
	return unreadable, unlockable, nil
}

// literal quotes a string so that it means the same whatever standard_conforming_strings is.
func literal(s string) string {
	s = strings.ReplaceAll(s, "'", "''")
	if strings.Contains(s, `\`) {
		return " E'" + strings.ReplaceAll(s, `\`, `\\`) + "'"
	}
	return "'" + s + "'"
}

// regclass is a name as to_regclass reads it.
func regclass(n sqlparse.Name) string {
	if n.Schema == "" {
		return quote(n.Name)
	}
	return quote(n.Schema) + "." + quote(n.Name)
}

// toRegclass is SQL for what a name means, NULL where nothing, or in a schema that the
// session's user may not look into: to_regclass fails there, where the client's statement
// has an error of its own.
func toRegclass(n sqlparse.Name) string {
	plain := "pg_catalog.to_regclass(" + literal(regclass(n)) + ")"
	if n.Schema == "" || strings.HasPrefix(n.Schema, "pg_temp") {
		return plain
	}
	return "(SELECT " + plain + " FROM pg_catalog.pg_namespace n WHERE n.nspname OPERATOR(pg_catalog.=) " + literal(n.Schema) + " AND pg_catalog.has_schema_privilege(n.oid, 'USAGE'))"
}
