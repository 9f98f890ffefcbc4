package recovery

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/pgtest"
)

// replay makes the copy of production in a server of another version: pg_dump
// would be needed in the newer one's, which builds of the server alone lack.
// The definitions come from running the same SQL again, the rows from COPY.
func (l *lab) replay() {
	l.t.Helper()
	pgtest.Exec(l.t, l.recovery, l.story...)
	from, to := l.dial(l.production), l.dial(l.recovery)
	l.run(to, "SET session_replication_role = replica", "SELECT lo_unlink(oid) FROM pg_largeobject_metadata")
	for _, table := range l.ask(to, "SELECT oid::regclass FROM pg_class WHERE relkind IN ('r', 'p') AND oid >= 16384 AND NOT relispartition AND relpersistence <> 't'") {
		l.run(to, "TRUNCATE "+table[0]+" CASCADE")
	}
	const tables = `SELECT c.oid::regclass, coalesce(string_agg(quote_ident(attname), ', ' ORDER BY attnum) FILTER (WHERE attgenerated = ''), '') FROM pg_class c JOIN pg_attribute ON attrelid = c.oid
		WHERE relkind = 'r' AND c.oid >= 16384 AND attnum > 0 AND NOT attisdropped AND relpersistence <> 't' AND relnamespace <> 'information_schema'::regnamespace GROUP BY 1`
	for _, table := range l.ask(from, tables) {
		var rows bytes.Buffer
		if _, err := from.PgConn().CopyTo(context.Background(), &rows, fmt.Sprintf("COPY %s (%s) TO STDOUT", table[0], table[1])); err != nil {
			l.t.Fatal(err)
		}
		for _, trigger := range l.ask(to, "SELECT quote_ident(tgname) FROM pg_trigger WHERE tgenabled = 'A' AND tgrelid = '"+strings.ReplaceAll(table[0], "'", "''")+"'::regclass") {
			l.run(to, "ALTER TABLE "+table[0]+" DISABLE TRIGGER "+trigger[0])
			defer l.run(to, "ALTER TABLE "+table[0]+" ENABLE ALWAYS TRIGGER "+trigger[0])
		}
		if _, err := to.PgConn().CopyFrom(context.Background(), &rows, fmt.Sprintf("COPY %s (%s) FROM STDIN", table[0], table[1])); err != nil {
			l.t.Fatalf("copying %s: %v", table[0], err)
		}
	}
	for _, s := range l.ask(from, "SELECT quote_literal(format('%I.%I', schemaname, sequencename)), last_value::text FROM pg_sequences WHERE last_value IS NOT NULL") {
		l.run(to, fmt.Sprintf("SELECT setval(%s, %s)", s[0], s[1]))
	}
	for _, o := range l.ask(from, "SELECT oid::text, lo_get(oid)::text FROM pg_largeobject_metadata") {
		l.run(to, fmt.Sprintf("SELECT lo_from_bytea(%s, '%s')", o[0], o[1]))
	}
}

func (l *lab) run(conn *pgx.Conn, sql ...string) {
	l.t.Helper()
	if _, err := conn.PgConn().Exec(context.Background(), strings.Join(sql, ";")).ReadAll(); err != nil {
		l.t.Fatalf("%v\n%s", err, sql)
	}
}

func (l *lab) ask(conn *pgx.Conn, sql string) (out [][]string) {
	l.t.Helper()
	results, err := conn.PgConn().Exec(context.Background(), sql).ReadAll()
	if err != nil {
		l.t.Fatalf("%v\n%s", err, sql)
	}
	for _, row := range results[0].Rows {
		var values []string
		for _, v := range row {
			values = append(values, string(v))
		}
		out = append(out, values)
	}
	return out
}
