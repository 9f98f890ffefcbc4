package recovery

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// remark is what a restore set back of a table's soft deletes: rows that get
// their marks again, where they still are as the restore left them.
type remark struct {
	live    *catalog.Table
	key     []string
	columns []string // that mark a row, and those that were set with them
	set     []string // these
	staged  string   // temporary table: key, columns as they were, rowback_xmin, rowback_class, rowback_reason
	change  *change
	xid     uint64
	same    []catalog.Comparison // of the key's columns
	pending batch
	marked  int64 // to be marked again
}

// addRemark makes source table i, whose soft deletes a restore set back, one to mark again.
func (u *undo) addRemark(ctx context.Context, i int, st *journal.Table) error {
	live, err := u.liveTable(st)
	if err != nil {
		return err
	}
	m := &remark{live: live.Root(), xid: u.xids[i], staged: fmt.Sprintf("pg_temp.rowback_remark_%d", len(u.remarks)+1)}
	m.key, m.columns, m.set = u.renamed(m.live, namesOf(st.Key)), u.renamed(m.live, namesOf(st.Old)), u.renamed(m.live, slices.Clone(st.Set))
	for _, c := range slices.Concat(m.key, m.columns) {
		if m.live.Column(c) == nil {
			return fmt.Errorf("column %s.%s does not exist any more", display(m.live), c)
		}
	}
	if err := u.production.describe(ctx, m.live); err != nil {
		return err
	}
	if !u.production.detail[m.live.OID].uniqueOn(m.key) {
		return fmt.Errorf("no unique index of %s is on its key any more; rows cannot be told apart", display(m.live))
	}
	m.same = u.production.detail[m.live.OID].equals(m.key)
	u.remarks[i] = m
	return nil
}

func (u *undo) makeRemarks(ctx context.Context) error {
	for _, m := range u.remarks {
		err := u.production.exec(ctx, fmt.Sprintf("CREATE TEMP TABLE %s AS SELECT %s, NULL::text AS rowback_xmin, NULL::text AS rowback_class, NULL::text AS rowback_reason FROM %s WITH NO DATA",
			local(m.staged), list("", slices.Concat(m.key, m.columns)), m.live.QuotedName()))
		if err != nil {
			return err
		}
	}
	return nil
}

// stageRemark brings keys and marks over. xmin is the transaction's id without its epoch.
func (u *undo) stageRemark(ctx context.Context, m *remark) error {
	defer m.pending.reset()
	all := slices.Concat(m.key, m.columns)
	var values []string
	for n, k := range positions("k", len(all)) {
		values = append(values, k+"::"+u.production.detail[m.live.OID].columns[all[n]].bare)
	}
	return u.production.exec(ctx, fmt.Sprintf("INSERT INTO %s (%s, rowback_xmin) SELECT %s, '%d' FROM %s",
		m.staged, list("", all), strings.Join(values, ", "), uint32(m.xid), m.pending.sql("k")))
}

// classifyRemark sorts the rows of m; those to be marked again are locked first. Those that
// bear their marks already, as of an undo before, are as they are to be.
func (u *undo) classifyRemark(ctx context.Context, m *remark, lock bool) error {
	same := equal("l", m.key, "s", m.key, m.same...)
	if lock {
		if err := u.production.exec(ctx, fmt.Sprintf("SELECT count(*) FROM (SELECT FROM %s l JOIN %s s ON %s AND l.xmin::text = s.rowback_xmin FOR UPDATE OF l) x", only(m.live), m.staged, same)); err != nil {
			return err
		}
	}
	return u.production.exec(ctx, fmt.Sprintf(`
		UPDATE %[1]s x SET rowback_class = CASE WHEN l.ctid IS NULL THEN '%[2]s' WHEN l.xmin::text = s.rowback_xmin THEN '%[3]s' WHEN %[7]s THEN '%[8]s' ELSE '%[4]s' END
		FROM %[1]s s LEFT JOIN %[5]s l ON %[6]s WHERE x.ctid = s.ctid; ANALYZE %[1]s (rowback_class)`,
		m.staged, undoGone, undoRemove, undoChanged, only(m.live), same, sameImage("l", "s", m.columns), undoAgain))
}

// planRemark counts, and lists what stays without its mark.
func (u *undo) planRemark(ctx context.Context, m *remark) (err error) {
	if m.marked, err = u.production.number(ctx, fmt.Sprintf("SELECT count(*) FROM %s WHERE rowback_class = '%s'", m.staged, undoRemove)); err != nil {
		return err
	}
	u.report.count(m.live).Marked += m.marked
	if err := u.listHeld(ctx, m.live, m.key, m.key, m.staged); err != nil {
		return err
	}
	return u.list(ctx, m.live, m.key, m.key, m.staged, map[string]string{undoChanged: "changed since its soft delete was set back; left without the mark"})
}

// unlike is a query for how many rows do not bear the marks that they are to have.
func (m *remark) unlike() string {
	return fmt.Sprintf("SELECT count(*) FROM %s s LEFT JOIN %s l ON %s WHERE s.rowback_class = '%s' AND (l.ctid IS NULL OR NOT %s)",
		m.staged, only(m.live), equal("l", m.key, "s", m.key, m.same...), undoRemove, sameImage("l", "s", m.columns))
}

// recordRemarks puts them on record as soft deletes.
func (u *undo) recordRemarks(ctx context.Context, e *journal.Entry, keys *journal.Keys) error {
	for i := range u.source {
		m := u.remarks[i]
		if m == nil || m.marked == 0 {
			continue
		}
		e.Rows += m.marked
		err := u.record(ctx, e, keys, journal.Table{Schema: m.live.Schema, Name: m.live.Name, OID: m.live.OID, Rows: m.marked, Via: journal.SoftDelete,
			Key: journalColumns(m.live, m.key), Soft: slices.DeleteFunc(slices.Clone(m.columns), func(c string) bool { return slices.Contains(m.set, c) }), Set: m.set},
			fmt.Sprintf("SELECT %s FROM %s s WHERE rowback_class = '%s'", recorded(m.live, m.key, prefixed("s", m.key)), m.staged, undoRemove))
		if err != nil {
			return err
		}
	}
	return nil
}
