package recovery

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// findBackup is where rows of a live table come from, described. A nil table
// comes with the reason.
func (r *restore) findBackup(ctx context.Context, live *catalog.Table) (*catalog.Table, error) {
	if r.recovery == nil {
		return nil, errors.New("no recovery database is given")
	}
	backup, err := r.backupTable(live)
	if err != nil {
		return nil, fmt.Errorf("recovery: %w; is it a copy of the right database? If the table was renamed or moved since, say what it was called: restore: {tables: {%s: {from: SCHEMA.NAME}}}; if it was made since, its rows are not there: leave it out: restore: {tables: {%[2]s: {skip: true}}}", err, display(live))
	}
	if why := unsupported(backup); why != "" {
		return nil, fmt.Errorf("table %s in the recovery database: %s", display(live), why)
	}
	return backup, r.recovery.describe(ctx, backup)
}

// madeSince: the table is newer than the backup. Its rows are missing there as any newer
// row is, and do not keep the others away. A recovery database that is none of
// production's lacks tables, too; a copy has others that are asked for, and most of all.
func (r *restore) madeSince(live *catalog.Table) bool {
	if r.recovery == nil || r.o.Source.fromFile() {
		return false
	}
	has := func(t *catalog.Table) bool {
		_, err := r.backupTable(t.Root())
		return err == nil
	}
	if c := r.mapping.byOID[live.OID]; c != nil && c.From != "" || has(live) {
		return false
	}
	asked := slices.ContainsFunc(r.o.Source.Tables, func(st journal.Table) bool {
		t, err := r.liveTable(&st)
		return err == nil && st.Rows > 0 && has(t)
	})
	all, there := 0, 0
	for _, t := range r.production.catalog.Tables {
		if HoldsRows(t) {
			all++
			if has(t) {
				there++
			}
		}
	}
	return asked && 2*there >= all
}
