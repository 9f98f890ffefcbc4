package guard

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/proxy"
	"github.com/rowback/rowback/sqlparse"
)

// counts is one reading of the server's counters in the open transaction.
type counts struct {
	tables   map[uint32]counter
	xid      string          // "" while the transaction has none
	target   uint32          // what the name of the target means, 0 if nothing
	depends  string          // catalog.Signature of the target, "" if not asked for
	started  time.Time       // see catalog.RunSQL; zero if not known
	tracking bool            // track_counts is on
	fixed    bool            // so will the next implicit transaction be; see transaction.fixed
	catalog  string          // changes with the catalog; asked for with all tables
	cursors  map[string]bool // that are open, and portals, as openCursors has them; likewise
	encoding string          // the session's client_encoding, "" if not asked for
	ended    string          // changes when a transaction of another session ends that has written; "" if not asked for
}

// counter is one table's part of counts.
type counter struct {
	deleted  int64
	changed  int64  // rows updated, and rows inserted unless updates alone were asked for
	filenode string // changes when TRUNCATE takes the rows, which deleted does not count; "p" at its end: a partition
	rows     float64
}

// countsQuery reads the counters of the given tables, or of all that are not
// temporary. The first row is the transaction's own, with what target means in
// it, and its signature. updates: of rows changed those that were updated alone.
// ended: counts.ended is wanted.
// cuts are tables of which updates alone count, unless they are among tables.
func countsQuery(target sqlparse.Name, signature string, tables, cuts []uint32, all, updates, ended bool) string {
	var b strings.Builder
	snapshot, none := "", ""
	if ended {
		snapshot, none = ", pg_catalog.pg_current_snapshot()::pg_catalog.text", ", NULL"
	}
	tracking := "pg_catalog.current_setting('track_counts')"
	if all {
		tracking = "pg_catalog.concat_ws(',', " + tracking + ", " + openCursors + ")"
	}
	b.WriteString(readingOf(target, tracking, catalog.RunSQL, signature))
	if all {
		b.WriteString(catalogWrites + snapshot + " UNION ALL ")
		b.WriteString("SELECT c.oid::pg_catalog.text, pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid)::pg_catalog.text, pg_catalog.concat(c.relfilenode, CASE WHEN c.relispartition THEN 'p' END), GREATEST(c.reltuples, CASE WHEN pg_catalog.pg_stat_get_live_tuples(c.oid) OPERATOR(pg_catalog.>) 0::pg_catalog.int8 THEN pg_catalog.pg_stat_get_live_tuples(c.oid) END)::pg_catalog.text, " + changedQuery("c.oid", updates) + ", NULL" + none +
			" FROM pg_catalog.pg_class c WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p}'::pg_catalog.\"char\"[]) AND c.relpersistence OPERATOR(pg_catalog.<>) 't' AND c.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid")
		return b.String()
	}
	b.WriteString("NULL" + snapshot)
	cuts = slices.DeleteFunc(slices.Clone(cuts), func(o uint32) bool { return slices.Contains(tables, o) })
	for i, oids := range [][]uint32{tables, cuts} {
		if i > 0 && len(oids) == 0 {
			continue
		}
		deleted := "pg_catalog.pg_stat_get_xact_tuples_deleted(o)::pg_catalog.text"
		if i > 0 { // rows that move to another partition
			deleted = "'0'"
		}
		b.WriteString(" UNION ALL SELECT o::pg_catalog.text, " + deleted + ", '', '0', " + changedQuery("o", i > 0) + ", NULL" + none + " FROM pg_catalog.unnest(ARRAY[")
		for i, o := range oids {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strconv.FormatUint(uint64(o), 10))
		}
		b.WriteString("]::pg_catalog.oid[]) o")
	}
	return b.String()
}

// openCursors tells cursors and portals apart by their names, when they were opened, and
// whether they are WITH HOLD. What reads them is in one itself.
var openCursors = "(SELECT pg_catalog.string_agg(pg_catalog.concat(" + nameInHex("name") + ", '=', pg_catalog.date_part('epoch', creation_time), '=', is_holdable), ';') FROM pg_catalog.pg_cursors WHERE name OPERATOR(pg_catalog.<>) '" + private + "')"

func changedQuery(oid string, updates bool) string {
	updated := "pg_catalog.pg_stat_get_xact_tuples_updated(" + oid + ")"
	if !updates {
		updated = "pg_catalog.int8pl(" + updated + ", pg_catalog.pg_stat_get_xact_tuples_inserted(" + oid + "))"
	}
	return updated + "::pg_catalog.text"
}

// uncountedQuery reads what is needed of a transaction whose rows are known
// without the counters; its run too, unless the session knows it.
func uncountedQuery(target sqlparse.Name, signature string, started time.Time) string {
	return readingOf(target, "'on'", runUnless(started), signature) + "NULL"
}

// bareQuery is uncountedQuery for a target that nothing hangs on, at a third of its
// price: it is planned for each small DELETE anew. No row: there is no such table.
func bareQuery(target sqlparse.Name, started time.Time, worded bool) string {
	encoding := ""
	if worded {
		encoding = " OPERATOR(pg_catalog.||) '/' OPERATOR(pg_catalog.||) pg_catalog.pg_client_encoding()::pg_catalog.text"
	}
	return "SELECT c.oid, pg_catalog.pg_current_xact_id_if_assigned(), 'on ' OPERATOR(pg_catalog.||) pg_catalog.current_setting('default_transaction_isolation')" + encoding + ", " +
		runUnless(started) + ", " + catalog.BareSQL + ", NULL FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(" + literal(regclass(target)) + ")::pg_catalog.oid"
}

func runUnless(started time.Time) string {
	if started.IsZero() {
		return catalog.RunSQL
	}
	return "NULL"
}

func readingOf(target sqlparse.Name, tracking, run, signature string) string {
	is := "NULL"
	if target.Name != "" {
		is = toRegclass(target)
	}
	return "SELECT " + is + "::pg_catalog.oid::pg_catalog.text, pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text, pg_catalog.concat(" + tracking + ", ' ', pg_catalog.current_setting('default_transaction_isolation'), '/', pg_catalog.pg_client_encoding()), " + run + ", " + signature + ", "
}

// catalogWrites counts what the transaction has written to the catalogs of
// tables, functions, triggers, rules and constraints.
var catalogWrites = func() string {
	var parts []string
	for _, t := range []string{"class", "proc", "trigger", "rewrite", "constraint"} {
		for _, what := range []string{"inserted", "updated", "deleted"} {
			parts = append(parts, "pg_catalog.pg_stat_get_xact_tuples_"+what+"('pg_catalog.pg_"+t+"'::pg_catalog.regclass)")
		}
	}
	return "pg_catalog.concat_ws(' ', " + strings.Join(parts, ", ") + ")"
}()

func receiveCounts(ctx context.Context, w proxy.Wire) (counts, error) {
	rows, err := receiveQuery(ctx, w)
	if err != nil {
		return counts{}, err
	}
	c := counts{tables: make(map[uint32]counter, len(rows))}
	for i, r := range rows {
		if len(r) < 6 || len(r) > 7 || r[0] == nil && i > 0 {
			return counts{}, fmt.Errorf("%w: counters", errMalformed)
		}
		if i == 0 {
			tracking, isolation, _ := strings.Cut(text(r[2]), " ")
			tracking, open, _ := strings.Cut(tracking, ",")
			isolation, c.encoding, _ = strings.Cut(isolation, "/")
			if open != "" {
				c.cursors = map[string]bool{}
				for _, one := range strings.Split(open, ";") {
					c.cursors[one] = true
				}
			}
			c.xid, c.tracking, c.fixed = text(r[1]), tracking == "on", fixes(isolation)
			c.started, c.depends, c.catalog = catalog.RunStart(text(r[3])), text(r[4]), text(r[5])
			if len(r) == 7 { // without its xmin, which the transaction's own id may be
				_, c.ended, _ = strings.Cut(text(r[6]), ":")
			}
			if r[0] != nil {
				o, err := strconv.ParseUint(*r[0], 10, 32)
				if err != nil {
					return counts{}, err
				}
				c.target = uint32(o)
			}
			continue
		}
		o, err := strconv.ParseUint(*r[0], 10, 32)
		if err != nil {
			return counts{}, err
		}
		var t counter
		if t.deleted, err = strconv.ParseInt(text(r[1]), 10, 64); err != nil && r[1] != nil {
			return counts{}, err
		}
		if t.changed, err = strconv.ParseInt(text(r[4]), 10, 64); err != nil && r[4] != nil {
			return counts{}, err
		}
		t.filenode = text(r[2])
		t.rows, _ = strconv.ParseFloat(text(r[3]), 64)
		c.tables[uint32(o)] = t
	}
	return c, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// fixes reports whether at that isolation level a transaction's queries see the
// catalog as it was when it began. What its statements set off they take from the
// catalog as it is.
func fixes(isolation string) bool {
	return isolation != "read committed" && isolation != "read uncommitted"
}
