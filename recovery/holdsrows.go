package recovery

import "github.com/rowback/rowback/catalog"

// protectSchema is where `rowback protect` keeps its evidence in the guarded
// database: evidence is kept, not compared with a backup nor brought back.
const protectSchema = "rowback"

// HoldsRows: t is a table of its own (no partition of one) that people keep
// rows in, so neither a temporary one nor one of rowback's.
func HoldsRows(t *catalog.Table) bool {
	return (t.Kind == 'r' || t.Kind == 'p') && !t.Partition && !t.Temporary && t.Schema != protectSchema
}
