package guard_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/journal"
)

// identities are all rows by table and key, or by table and content where the
// table has no key. Partitions go by their root.
func identities(t *testing.T, c *pgx.Conn) map[string]int {
	t.Helper()
	ctx := context.Background()
	rows, err := c.Query(ctx, `SELECT c.oid::regclass::text, n.nspname, r.relname, COALESCE((SELECT array_agg(a.attname::text ORDER BY a.attname) FROM pg_index i
			JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) WHERE i.indrelid = c.oid AND i.indisprimary), '{}')
		FROM pg_class c JOIN pg_class r ON r.oid = COALESCE(pg_partition_root(c.oid), c.oid) JOIN pg_namespace n ON n.oid = r.relnamespace
		WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'`)
	if err != nil {
		t.Fatal(err)
	}
	type table struct {
		Name, Schema, Root string
		Key                []string
	}
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[table])
	if err != nil {
		t.Fatal(err)
	}
	var sql []string
	for _, tb := range tables {
		sql = append(sql, "SELECT to_jsonb(whole_row)::text FROM ONLY "+tb.Name+" whole_row")
	}
	results, err := c.PgConn().Exec(ctx, strings.Join(sql, ";")).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]int{}
	for i, tb := range tables {
		for _, row := range results[i].Rows {
			all[identity(t, tb.Schema, tb.Root, tb.Key, string(row[0]))]++
		}
	}
	return all
}

func identity(t *testing.T, schema, table string, key []string, doc string) string {
	if len(key) == 0 {
		return schema + "." + table + " " + doc
	}
	var row map[string]json.RawMessage
	if err := json.Unmarshal([]byte(doc), &row); err != nil {
		t.Fatal(err)
	}
	id := schema + "." + table
	for _, k := range key {
		id += " " + k + "=" + string(row[k])
	}
	return id
}

func subtract(a, b map[string]int) map[string]int {
	d := map[string]int{}
	for k, n := range a {
		if n -= b[k]; n > 0 {
			d[k] = n
		}
	}
	return d
}

// evidence reads a database's entries, and their keys as identities has them.
func (l *lab) evidence(t *testing.T, c *pgx.Conn, db string) (es []*journal.Entry, keys map[string]int) {
	t.Helper()
	ctx := context.Background()
	keys = map[string]int{}
	for e, err := range l.journal.Entries(ctx, journal.Filter{Database: db}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Outcome == journal.RolledBack && len(e.Tables) == 0 { // of a procedure that commits by itself, before it has been counted
			continue
		}
		es = append(es, e)
		for row, err := range l.journal.Rows(ctx, e.ID) {
			if err != nil {
				t.Fatal(err)
			}
			tb := e.Tables[row.Table]
			if tb.Via == journal.SetNull || tb.Via == journal.SetDef {
				continue
			}
			var key, doc []string
			for i, k := range tb.Key {
				var v string
				if err := c.QueryRow(ctx, "SELECT to_jsonb($1::"+k.Type+")::text", *row.Values[i]).Scan(&v); err != nil {
					t.Fatal(err)
				}
				name, err := json.Marshal(k.Name)
				if err != nil {
					t.Fatal(err)
				}
				key, doc = append(key, k.Name), append(doc, string(name)+":"+v)
			}
			slices.Sort(key)
			keys[identity(t, tb.Schema, tb.Name, key, "{"+strings.Join(doc, ",")+"}")]++
		}
	}
	return es, keys
}
