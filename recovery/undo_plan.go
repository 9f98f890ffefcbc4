package recovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rowback/rowback/journal"
)

// Classes of staged rows and links.
const (
	undoRemove  = "remove" // or, of a link: to be cut again
	undoGone    = "gone"
	undoChanged = "changed"
	undoAgain   = "undone already"
	undoKept    = "kept" // rows that stay refer to it
	undoHeld    = "held" // a change that production would not take, with the reason; see change
)

var undoReasons = map[string]string{
	undoChanged: "changed since it was restored; left as it is",
	undoKept:    "rows that came or stay refer to it; left as it is",
}

// try is one transaction: lock, classify and, with write, remove, verify, commit.
func (u *undo) try(ctx context.Context, write bool) (err error) {
	if err := u.begin(ctx); err != nil {
		return err
	}
	committed := false
	defer func() {
		if !committed {
			err = errors.Join(err, u.rollback(ctx))
		}
	}()
	if write {
		if err := u.unchanged(ctx); err != nil {
			return err
		}
	}
	if err := u.classify(ctx, write); err != nil {
		return err
	}
	if u.report, err = u.plan(ctx); err != nil || !write || u.report.Removed+u.report.others() == 0 {
		u.report.DryRun = !write
		return err
	}
	if err := u.remove(ctx); err != nil {
		return err
	}
	if err := u.verify(ctx); err != nil {
		u.report.withdraw()
		return err
	}
	if u.report.Entry, err = u.commit(ctx, &committed, u.evidence); err != nil {
		u.report.withdraw()
		return err
	}
	u.report.Warnings = u.warnings
	return nil
}

// classify sorts the staged rows. A row that is to go is locked first, so that
// it stays as it is and gets no more children until the end. Without figures of the classes the
// planner takes few rows for chosen, and reads what refers to them once for each.
func (u *undo) classify(ctx context.Context, lock bool) error {
	u.o.Progress.Start("planning", 0)
	for _, t := range u.tables {
		mine := t.undone("l", "s") + " AND l.xmin::text = s.rowback_xmin"
		if lock {
			if err := u.production.exec(ctx, fmt.Sprintf("SELECT count(*) FROM (SELECT FROM %s l JOIN %s s ON %s FOR UPDATE OF l) x", only(t.live), t.in, mine)); err != nil {
				return err
			}
		}
		err := u.production.exec(ctx, fmt.Sprintf(`
			UPDATE %[1]s x SET rowback_class = CASE WHEN l.ctid IS NULL THEN '%[2]s' WHEN l.xmin::text = s.rowback_xmin THEN '%[3]s' ELSE '%[4]s' END
			FROM %[1]s s LEFT JOIN %[5]s l ON %[6]s WHERE x.ctid = s.ctid; ANALYZE %[1]s (rowback_class)`,
			t.in, undoGone, undoRemove, undoChanged, only(t.live), t.undone("l", "s")))
		if err != nil {
			return err
		}
	}
	for _, l := range u.links {
		err := u.production.exec(ctx, fmt.Sprintf(`
			UPDATE %[1]s x SET rowback_class = CASE WHEN l.%[2]s IS NULL THEN '%[3]s' WHEN %[4]s THEN '%[5]s' WHEN %[6]s THEN '%[7]s' ELSE '%[8]s' END
			FROM %[1]s y LEFT JOIN %[9]s l ON %[10]s WHERE x.ctid = y.ctid; ANALYZE %[1]s (rowback_class)`,
			l.staged, quote(l.key[0]), undoGone, l.isWhole("l", "y"), undoRemove, u.isCut(l), undoAgain, undoChanged, only(l.live), l.equal("l", "y")))
		if err != nil {
			return err
		}
	}
	if err := u.holdLinks(ctx); err != nil {
		return err
	}
	for _, m := range u.remarks {
		if err := u.classifyRemark(ctx, m, lock); err != nil {
			return err
		}
	}
	if _, err := u.keepLinks(ctx); err != nil {
		return err
	}
	for { // rows that stay keep links, and these rows
		if err := u.judgeChanges(ctx); err != nil {
			return err
		}
		if err := u.keep(ctx); err != nil {
			return err
		}
		n, err := u.keepLinks(ctx)
		if err != nil {
			return err
		}
		if n == 0 {
			return u.goWithRows(ctx)
		}
	}
}

// keep takes out the rows that a row refers to that stays, then the parents of
// these, until none is found any more. In a table that refers to itself these are
// found at once: by levels, a chain of rows would take a pass over all of them each.
func (u *undo) keep(ctx context.Context) error {
	for found := true; found; {
		found = false
		for _, t := range u.tables {
			for _, ref := range u.referring(t) {
				n, err := u.production.affect(ctx, fmt.Sprintf(`WITH RECURSIVE %s UPDATE %s SET rowback_class = '%s' WHERE ctid IN (SELECT rowback_at::tid FROM o)`,
					u.keeps(t, ref), t.in, undoKept))
				if err != nil {
					return err
				}
				found = found || n > 0
			}
		}
	}
	return nil
}

// keeps is the part o of a query: which staged rows of t stay for what refers to
// them by ref.
func (u *undo) keeps(t *table, ref reference) string {
	chain := ref.Child.Root() == t.live && ref.within == ""
	more := ""
	if chain {
		more = fmt.Sprintf(" UNION SELECT s.ctid::text FROM o JOIN %[1]s e ON e.ctid = rowback_at::tid JOIN %[2]s c ON %[3]s JOIN %[2]s p ON %[4]s AND %[5]s JOIN %[1]s s ON s.rowback_class = '%[6]s' AND %[7]s",
			t.in, only(ref.Parent), t.undone("c", "e"), ref.applies("c"), ref.refers("p", ref.values("c")), undoRemove, t.undone("p", "s"))
	}
	return fmt.Sprintf(`o AS (SELECT s.ctid::text AS rowback_at FROM %s s JOIN %s p ON %s WHERE s.rowback_class = '%s'
		AND EXISTS (SELECT FROM %s c WHERE %s AND %s AND %s)%s)`,
		t.in, only(ref.Parent), t.undone("p", "s"), undoRemove,
		only(ref.Child), ref.applies("c"), ref.refers("p", ref.values("c")), u.stays("c", ref), more)
}

// stays is the condition that the row of alias c still refers by ref when all is done.
func (u *undo) stays(c string, ref reference) string {
	out := []string{"true"}
	if goes := u.goes(ref.Child.Root(), c); goes != "false" {
		out = append(out, "NOT "+goes)
	}
	for _, m := range u.remarked() { // judged by what its mark will be
		if m.live == ref.Child.Root() && slices.ContainsFunc(m.columns, func(c string) bool { return slices.Contains(ref.Columns, c) }) {
			out = append(out, fmt.Sprintf("NOT EXISTS (SELECT FROM %s o WHERE o.rowback_class = '%s' AND %s)", m.staged, undoRemove, equal(c, m.key, "o", m.key, m.same...)))
		}
	}
	for _, l := range u.links {
		nulls := l.via == journal.SetNull && l.live == ref.Child.Root() && slices.ContainsFunc(l.cut, func(c string) bool { return slices.Contains(ref.Columns, c) })
		if l.ref.ForeignKey == ref.ForeignKey || nulls { // by another foreign key, over the same column, neither
			out = append(out, fmt.Sprintf("NOT EXISTS (SELECT FROM %s o WHERE o.rowback_class = '%s' AND %s)", l.staged, undoRemove, l.equal(c, "o")))
		}
	}
	return strings.Join(out, " AND ")
}

// remove marks and cuts the rows that stay, and deletes the others, children before parents; what
// refers to each other goes by one statement.
func (u *undo) remove(ctx context.Context) error {
	if err := u.quietly(ctx, u.replica); err != nil {
		return err
	}
	for _, m := range u.remarked() {
		if m.marked == 0 {
			continue
		}
		if err := u.apply(ctx, m.change, m.marked); err != nil {
			return err
		}
	}
	for _, l := range u.links {
		if l.relinked == 0 {
			continue
		}
		if err := u.apply(ctx, l.change, l.relinked); err != nil {
			return err
		}
	}
	groups := components(u.tables)
	slices.Reverse(groups)
	u.o.Progress.Start("removing", u.report.Removed)
	for _, group := range groups {
		if err := u.removeGroup(ctx, group); err != nil {
			return err
		}
	}
	return nil
}

func (u *undo) removeGroup(ctx context.Context, group []*table) error {
	var ctes, counts []string
	for i, t := range group {
		// What the rows were referred to by, for the verification.
		var columns []string
		for _, ref := range u.referring(t) {
			for _, c := range ref.ParentColumns {
				if !slices.Contains(columns, c) {
					columns = append(columns, c)
				}
			}
		}
		columns = append(columns, slices.DeleteFunc(slices.Clone(t.key), func(c string) bool { return slices.Contains(columns, c) })...)
		gone := list("l.", columns)
		if len(t.key) == 0 {
			gone = strings.TrimPrefix(gone+", ", ", ") + "l.tableoid AS rowback_table, l.ctid AS rowback_at"
		}
		err := u.production.exec(ctx, fmt.Sprintf("CREATE TEMP TABLE %s ON COMMIT DROP AS SELECT %s FROM %s l JOIN %s s ON %s WHERE s.rowback_class = '%s'",
			local(t.left), gone, only(t.live), t.in, t.undone("l", "s"), undoRemove))
		if err != nil {
			return err
		}
		ctes = append(ctes, fmt.Sprintf("d%d AS (DELETE FROM %s l USING %s s WHERE s.rowback_class = '%s' AND %s RETURNING 1)",
			i, only(t.live), t.in, undoRemove, t.undone("l", "s")))
		counts = append(counts, fmt.Sprintf("(SELECT count(*) FROM d%d)", i))
	}
	removed, err := u.production.numbers(ctx, u.production.openly("WITH "+strings.Join(ctes, ", ")+" SELECT "+strings.Join(counts, ", ")))
	if err != nil {
		return writeError("deleting from", group, err)
	}
	for i, t := range group {
		if want := u.report.count(t.live).Removed; removed[i] != want {
			return &errRace{what: fmt.Sprintf("%s: %d rows were to be removed, %d were%s", t.name(), want, removed[i], u.blame())}
		}
		u.o.Progress.Add(removed[i])
	}
	return nil
}

// verify proves, before the commit, that what was to go has gone, and that
// nothing refers to it.
func (u *undo) verify(ctx context.Context) error {
	if _, err := u.production.change(ctx, "SET CONSTRAINTS ALL IMMEDIATE"); err != nil {
		return raced(err)
	}
	u.o.Progress.Start("verifying", 0)
	add := func(name, none, detail string) error {
		n, err := u.production.number(ctx, none)
		u.report.Checks = append(u.report.Checks, Check{Name: name, OK: err == nil && n == 0, Detail: fmt.Sprintf(detail, n)})
		if err == nil && n > 0 {
			err = fmt.Errorf("%w: %s: %s%s", ErrUnverified, name, fmt.Sprintf(detail, n), u.blame())
		}
		return err
	}
	for _, t := range u.tables {
		if u.report.count(t.live).Removed == 0 {
			continue
		}
		err := add("rows removed: "+t.name(), fmt.Sprintf("SELECT count(*) FROM %s g JOIN %s l ON %s", t.left, only(t.live), t.undone("l", "g")), "%d are still there")
		if err != nil {
			return err
		}
		for _, ref := range u.referring(t) {
			err := add(ref.title()+": "+display(ref.Child), fmt.Sprintf("SELECT count(*) FROM %s c JOIN %s g ON %s WHERE %s AND %s",
				only(ref.Child), t.left, ref.refers("g", ref.values("c")), ref.applies("c"), ref.lacks(ref.values("c"), only(ref.Parent))), "%d rows refer to what was removed")
			if err != nil {
				return err
			}
		}
	}
	checks, err := u.verifyChanges(ctx)
	u.report.Checks = append(u.report.Checks, checks...)
	if err != nil {
		return err
	}
	for _, m := range u.remarks {
		if m.marked == 0 {
			continue
		}
		if err := add("marked as deleted again: "+display(m.live), m.unlike(), "%d are not"); err != nil {
			return err
		}
	}
	for _, l := range u.links {
		if l.relinked == 0 {
			continue
		}
		broken := fmt.Sprintf("SELECT count(*) FROM %s l JOIN %s x ON x.rowback_class = '%s' AND %s WHERE %s AND NOT EXISTS (SELECT FROM %s p WHERE %s)",
			only(l.live), l.staged, undoRemove, l.equal("l", "x"), l.ref.applies("l"), only(l.ref.Parent), l.ref.refers("p", l.ref.values("l")))
		if err := add("links cut: "+display(l.live), broken, "%d lead to a row that is not there"); err != nil {
			return err
		}
	}
	return nil
}
