package recovery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rowback/rowback/journal"
)

// mark is what the deletions, being soft, left in a table: rows that are there
// and marked. They are set back where they still are as the deletion left them.
type mark struct {
	columns []string // that mark a row
	set     []string // others that some of the deletions set with them; see keepSet
	staged  string   // temporary table: key, rowback_xmin (who marked it), rowback_feed (of which source table), rowback_id (its entry), rowback_blind
	was     string   // temporary table: key and columns of the rows as they were before
	again   string   // temporary table: key, rowback_xmin of the undos that marked the row again; "": there are none
	timed   bool     // the server keeps when transactions committed
	change  *change  // how they are set back
	pending map[int]*batch
	sets    map[int][]string // by source table: the columns that it set beside the marks
}

// addMark notes that source table i holds soft deletes of t's rows.
func (r *restore) addMark(ctx context.Context, i int, st *journal.Table, t *table) error {
	if st.Via != journal.SoftDelete || i >= len(r.o.Source.of) {
		return nil
	}
	known := func(columns []string) []string {
		return slices.DeleteFunc(r.renamed(t.live, slices.Clone(columns)), func(c string) bool { return !slices.Contains(t.fetched, c) || slices.Contains(t.key, c) })
	}
	if t.mark == nil {
		n := strings.TrimPrefix(t.in, "pg_temp.rowback_in_")
		t.mark = &mark{staged: "pg_temp.rowback_mark_" + n, was: "pg_temp.rowback_was_" + n, pending: map[int]*batch{}, sets: map[int][]string{}}
	}
	t.mark.columns = union(t.mark.columns, known(st.Soft))
	t.mark.pending[i], t.mark.sets[i] = &batch{}, known(st.Set)
	t.mark.set = union(t.mark.set, t.mark.sets[i])
	r.marks[i] = r.o.Source.of[i].XID
	return nil
}

// settable: there are columns to set back. The entry may be of before they were
// kept, or there is no backup that has them.
func (m *mark) settable() bool { return m != nil && len(m.columns) > 0 }

// first of the soft deletes.
func (m *mark) first(r *restore) *journal.Entry {
	return r.o.Source.of[slices.MinFunc(slices.Collect(maps.Keys(m.pending)), func(a, b int) int {
		return r.o.Source.of[a].Time.Compare(r.o.Source.of[b].Time)
	})]
}

func (r *restore) makeMarks(ctx context.Context) error {
	for _, t := range r.tables {
		if t.mark == nil {
			continue
		}
		r.limitSet(t)
		timed, err := r.production.number(ctx, "SELECT (current_setting('track_commit_timestamp') = 'on')::int")
		if err != nil {
			return err
		}
		t.mark.timed = timed == 1
		err = r.production.exec(ctx, fmt.Sprintf("CREATE TEMP TABLE %s AS SELECT %s, NULL::text AS rowback_xmin, NULL::int4 AS rowback_feed, NULL::text COLLATE \"C\" AS rowback_id, false AS rowback_blind, NULL::text AS rowback_half FROM %s WITH NO DATA",
			local(t.mark.staged), list("", t.key), t.live.QuotedName()))
		if err != nil {
			return err
		}
	}
	return nil
}

// collectMark keeps a key that is of a soft delete.
func (r *restore) collectMark(ctx context.Context, row journal.Row) error {
	if _, soft := r.marks[row.Table]; !soft {
		return nil
	}
	b := r.feeds[row.Table].mark.pending[row.Table]
	b.add(row.Values)
	if b.full() {
		return r.stageMarks(ctx, row.Table)
	}
	return nil
}

// xminOf is what rows have of a transaction's number: that is without its epoch; "": it is none.
func xminOf(xid string) string {
	n, err := strconv.ParseUint(xid, 10, 64)
	if err != nil {
		return ""
	}
	return strconv.FormatUint(uint64(uint32(n)), 10)
}

// stageMarks brings the keys of source table i over.
func (r *restore) stageMarks(ctx context.Context, i int) error {
	text, soft := r.marks[i]
	if !soft || r.feeds[i].mark.pending[i].n == 0 {
		return nil
	}
	t := r.feeds[i]
	b := t.mark.pending[i]
	defer b.reset()
	var values []string
	for n, k := range positions("k", len(r.order[i])) {
		values = append(values, k+"::"+t.detail.columns[r.order[i][n]].bare)
	}
	return r.production.exec(ctx, fmt.Sprintf("INSERT INTO %s (%s, rowback_xmin, rowback_feed, rowback_id) SELECT %s, %s, %d, %s FROM %s",
		t.mark.staged, list("", r.order[i]), strings.Join(values, ", "), literal(xminOf(text)), i, literal(r.o.Source.of[i].ID), b.sql("k")))
}

// marked finds, among the rows that are in production with other values, those
// that a soft delete left so: nobody has written them since, or all but the
// marks is as in the recovery database.
func (r *restore) marked(ctx context.Context, t *table) error {
	if !t.mark.settable() {
		return nil
	}
	if err := r.holdNewer(ctx, t); err != nil {
		return err
	}
	if err := r.holdMarks(ctx, t); err != nil {
		return err
	}
	err := r.production.exec(ctx, fmt.Sprintf("UPDATE %s x SET rowback_marked = true, rowback_reason = NULL FROM %s l WHERE x.rowback_class = '%s' AND %s AND %s",
		t.left, only(t.live), classDifferent, t.equal("l", "x"), t.asLeft()))
	if err != nil {
		return err
	}
	return r.keepSet(ctx, t)
}

// mergeMarks gives images of rows that were soft-deleted before they were removed
// the recovery database's values of the marks. Where it has no such row the image
// comes back with its mark: see blind. What the soft delete set besides may have been
// changed before the row was removed: it stays as in the image, which is noted.
func (r *restore) mergeMarks(ctx context.Context, t *table) error {
	if t.mark == nil {
		return nil
	}
	marked := fmt.Sprintf("EXISTS (SELECT FROM %s m WHERE %s)", t.mark.staged, t.equal("m", "s"))
	for k := 1; k < len(t.kinds); k++ {
		if err := r.noteHalf(ctx, t, k); err != nil {
			return err
		}
		var set []string
		for _, c := range t.mark.columns {
			if slices.Contains(t.kinds[k], c) {
				set = append(set, fmt.Sprintf("%s = b.%[1]s", quote(c)))
			}
		}
		if len(set) == 0 {
			continue
		}
		err := r.production.exec(ctx, fmt.Sprintf("ANALYZE %[1]s; UPDATE %[1]s s SET %[2]s FROM %[1]s b WHERE b.rowback_kind = 0 AND s.rowback_kind = %[3]d AND %[4]s AND %[5]s",
			t.in, strings.Join(set, ", "), k, t.equal("b", "s"), marked))
		if err != nil {
			return err
		}
	}
	return r.production.exec(ctx, fmt.Sprintf("UPDATE %[1]s m SET rowback_blind = true FROM %[2]s s WHERE s.rowback_kind > 0 AND %[3]s AND NOT EXISTS (SELECT FROM %[2]s b WHERE b.rowback_kind = 0 AND %[4]s)",
		t.mark.staged, t.in, t.equal("s", "m"), t.equal("b", "m")))
}

// blind lists the rows that come back as they were when they were removed, and so
// with the mark of a soft delete that was to be set back, too, or with what that set besides.
func (r *restore) blind(ctx context.Context, t *table) (out []Unrestored, err error) {
	if t.mark == nil {
		return nil, nil
	}
	err = r.production.each(ctx, fmt.Sprintf(`SELECT %s, CASE WHEN m.blind THEN %s ELSE 'soft delete set back, but not what its UPDATE set in ' || m.half || ': the row comes back as it was when it was removed later' END
		FROM %s s JOIN (SELECT %[4]s, bool_or(rowback_blind) AS blind, string_agg(DISTINCT rowback_half, ', ') AS half FROM %[5]s GROUP BY %[4]s) m ON %[6]s WHERE m.blind OR m.half IS NOT NULL ORDER BY %[7]s`, texts("s", t.key),
		literal("soft delete not set back: the row comes back as it was when it was removed later, and the recovery database has no such row to tell how it was before"),
		t.in, list("", t.key), t.mark.staged, t.equal("m", "s"), list("s.", t.key)), func(row []*string) error {
		u, err := newUnrestored(t.live, t.key, row)
		out = append(out, u)
		return err
	})
	return out, err
}

// asLeft is the condition that live row l is as the soft delete left it; x is
// the recovery database's row, or one of which nothing is known (see holdNewer).
func (t *table) asLeft() string {
	others := slices.DeleteFunc(slices.Clone(t.always), func(c string) bool { return slices.Contains(t.mark.columns, c) })
	return fmt.Sprintf("NOT %s AND EXISTS (SELECT FROM %s m WHERE %s AND (%s OR x.rowback_feed IS NULL AND %s))",
		sameImage("l", "x", t.mark.columns), t.mark.staged, t.equal("m", "l"), t.wrote("m", "l"), sameImage("l", "x", others))
}

// wrote is the condition that the soft delete m was the last to write row l (or what took a
// restore of it back, and so left the row as it had been): that has its
// transaction's number, or one of a savepoint within it, which commits at the same time.
func (t *table) wrote(mark, row string) string {
	m := t.mark
	by := fmt.Sprintf("%s.rowback_xmin = %s.xmin::text", mark, row)
	if m.again != "" {
		by = fmt.Sprintf("(%s OR EXISTS (SELECT FROM %s a WHERE a.rowback_xmin = %s.xmin::text AND %s))", by, m.again, row, t.equal("a", row))
	}
	if !m.timed {
		return by
	}
	return fmt.Sprintf("(%s OR pg_xact_commit_timestamp(nullif(%s.rowback_xmin, '')::xid) = pg_xact_commit_timestamp(%s.xmin))", by, mark, row)
}

// ofMark are conditions that the staged link x is of a column of its row's mark, and
// that the soft delete, which is to be set back, too, came before the cut, or after it.
func (r *restore) ofMark(l *link, x string) (before, after string) {
	t := r.byOID[l.live.OID]
	if t == nil || t.mark == nil || l.of == nil || l.unknown != "" || lacks(t.key, l.key) || !slices.ContainsFunc(l.cut, func(c string) bool { return slices.Contains(t.mark.columns, c) }) {
		return "false", "false"
	}
	of := func(when func(soft, cut string) bool) string {
		feeds := []string{"NULL"}
		for i := range t.mark.pending {
			if when(r.o.Source.of[i].ID, l.of.ID) {
				feeds = append(feeds, strconv.Itoa(i))
			}
		}
		return fmt.Sprintf("EXISTS (SELECT FROM %s m WHERE m.rowback_feed IN (%s) AND %s)", t.mark.staged, strings.Join(feeds, ", "), l.equal("m", x))
	}
	before = of(func(soft, cut string) bool { return soft <= cut })
	return before, "NOT " + before + " AND " + of(func(soft, cut string) bool { return soft > cut })
}

// judgeMarks holds back those that production would not take without the mark.
func (r *restore) judgeMarks(ctx context.Context) error {
	for _, t := range r.tables {
		if !t.mark.settable() {
			continue
		}
		t.mark.change = &change{what: "setting soft deletes of " + t.name() + " back", live: t.live, key: t.key, staged: t.left, keys: t.key,
			columns: t.mark.all(), values: prefixed("x", t.mark.all()), chosen: "x.rowback_marked", gone: r.parentless, blame: r.blame,
			still: fmt.Sprintf("EXISTS (SELECT FROM %s w WHERE %s)", t.mark.was, t.equal("w", "x")),
			hold: func(why string) string {
				return fmt.Sprintf("rowback_marked = NULL, rowback_class = '%s', rowback_reason = 'soft delete not set back: ' || %s", classHeld, why)
			}}
		if err := r.judge(ctx, t.mark.change); err != nil {
			return err
		}
	}
	return nil
}

// unmark gives the marked rows the recovery database's values of these columns.
func (r *restore) unmark(ctx context.Context) error {
	for _, t := range r.tables {
		if t.count.Unmarked == 0 {
			continue
		}
		m := t.mark
		// Locked, and kept as they were, for the evidence.
		err := r.production.exec(ctx, fmt.Sprintf("DROP TABLE IF EXISTS %[1]s; CREATE TEMP TABLE %[2]s AS SELECT %[3]s FROM %[4]s l JOIN %[5]s x ON %[6]s WHERE x.rowback_marked AND %[7]s FOR UPDATE OF l",
			m.was, local(m.was), list("l.", slices.Concat(t.key, m.all())), only(t.live), t.left, t.equal("l", "x"), t.asLeft()))
		if err != nil {
			return err
		}
		if err := r.apply(ctx, m.change, t.count.Unmarked); err != nil {
			return err
		}
	}
	return nil
}

// verifyMarks proves that the rows bear the recovery database's values.
func (r *restore) verifyMarks(ctx context.Context) (out []Check, err error) {
	for _, t := range r.tables {
		if t.count.Unmarked == 0 {
			continue
		}
		n, err := r.production.number(ctx, fmt.Sprintf("SELECT count(*) FROM %s x JOIN %s l ON %s WHERE x.rowback_marked AND %s",
			t.left, only(t.live), t.equal("l", "x"), sameImage("l", "x", t.mark.all())))
		if err != nil {
			return out, err
		}
		out = append(out, Check{Name: "soft deletes set back: " + t.name(), OK: n == t.count.Unmarked,
			Detail: fmt.Sprintf("%d of %d rows have the recovery database's %s", n, t.count.Unmarked, strings.Join(t.mark.columns, ", "))})
	}
	return out, nil
}

// recordMarks puts on record which rows were set back, with what they had.
func (r *restore) recordMarks(ctx context.Context, e *journal.Entry, keys *journal.Keys) error {
	for _, t := range r.tables {
		if t.count.Unmarked == 0 {
			continue
		}
		err := r.record(ctx, e, keys, journal.Table{Schema: t.live.Schema, Name: t.live.Name, OID: t.live.OID, Rows: t.count.Unmarked, Via: journal.SoftDelete,
			Key: journalColumns(t.live, t.key), Old: journalColumns(t.live, t.mark.all()), Soft: t.mark.columns, Set: t.mark.set},
			fmt.Sprintf("SELECT %s FROM %s w", recorded(t.live, t.key, prefixed("w", t.key))+", "+texts("w", t.mark.all()), t.mark.was))
		if err != nil {
			return err
		}
	}
	return nil
}
