package catalog

import (
	"slices"
	"strings"
	"testing"
)

// fuzzDocuments are documents as the catalog queries return them, one a line.
const fuzzDocuments = `relation	[16400, "public", "orders", "r", false, false, false, 100, true, null]
relation	[16410, "public", "payments", "p", false, false, false, -1, true, null]
relation	[16411, "public", "payments_1", "r", false, true, true, -1, true, [16410]]
type	[20, -1, "bigint", "int8"]
column	16400 1 20 -1 t - a id
column	16410 1 20 -1 t - - id
column	16410 2 20 -1 f v - order_id
column	16411 1 20 -1 t - - id
sequence	[16400, 1, "public", "orders_id_seq"]
key	[16400, true, false, true, 1, "1", "orders_pkey"]
key	[16410, false, true, true, 1, "1 2", "payments_key"]
foreign key	["fk", 16410, 16400, "2", "1", "c", "a", null, false, false, true, "s", [[1, "public", "==", "public", "c"]]]
trigger	[16500, 16400, "t", "O", 13, 16600, "public", "purge"]
rule	[16501, 16400, "r", "4", "O", true]
function	[16600, "public", "purge", "f", "plpgsql", "v", "BEGIN DELETE FROM payments; EXECUTE x; END", null, null, false]
function	[16601, "public", "plain", "f", "sql", "i", "SELECT 1", null, null, false]
domain	[16700, "age"]
edge	["view", 16400, "function", 16600, "a view", 0]`

// Whatever the documents of a server hold, they make a snapshot or an error.
func FuzzDocuments(f *testing.F) {
	f.Add(fuzzDocuments)
	for line := range strings.Lines(fuzzDocuments) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l := newLoader("fuzz", "")
		var rows [][]*string
		for line := range strings.Lines(text) {
			if kind, document, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); ok {
				rows = append(rows, []*string{&kind, &document})
			}
		}
		if l.documents(rows, false) != nil {
			return
		}
		for t, parents := range l.parents {
			if slices.ContainsFunc(parents, func(oid uint32) bool { return oid >= t.OID }) {
				return // a circle of parents: PostgreSQL has none
			}
		}
		l.finish()
		for _, table := range l.snapshot.Tables {
			l.snapshot.Touched(table)
			table.Reached(false)
		}
	})
}
