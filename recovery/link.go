package recovery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// link is one foreign key that the deletion cut (ON DELETE SET NULL or SET
// DEFAULT): rows that stayed, with the values they referred by.
type link struct {
	live     *catalog.Table
	ref      reference
	via      journal.Via
	key, old []string             // columns; old are those whose old values are known
	cut      []string             // columns that the deletion changed, among old
	unknown  string               // of cut, one whose default is volatile: what the deletion set it to is not known
	staged   string               // temporary table: k01… (key), o01… (old), rowback_class, rowback_reason, rowback_again (a later deletion cut the same link again)
	of       *journal.Entry       // the deletion; nil: an undo's
	later    string               // temporary table, as staged: what deletions since then found it to be; "": there were none. See laterCuts
	same     []catalog.Comparison // of the key's columns, then those of old
	change   *change              // how it is given back, or cut again
	pending  batch
	relinked int64
	stayed   int64 // listed as not re-linked
}

// Classes of staged links.
const (
	linkRow     = "row"        // the row itself is restored or listed: its link comes with it
	linkNewer   = "newer"      // a later deletion cut the same link again
	linkWhole   = "whole"      // refers to its parent already
	linkStaged  = "staged"     // the row itself is restored, from after the cut: to be given its link
	linkGiven   = "given"      // it has been, while rows are sorted
	linkCut     = "cut"        // to be re-linked
	linkGone    = "row gone"   // listed, as all below
	linkMoved   = "re-pointed" // to another parent, since
	linkLater   = "cut later"  // the same, until a later deletion cut it again
	linkAlone   = "parent gone"
	linkOut     = "left out" // of the image that the row is restored from
	linkUnknown = "unknown"  // see link.unknown
	linkHeld    = "held"     // with the reason; see change
)

// listedLinks are the classes that are listed, with their reasons.
var listedLinks = []struct{ class, reason string }{
	{linkGone, "the row is not in production any more"},
	{linkMoved, "it was changed since the deletion"},
	{linkLater, "it led to another parent since, until a later deletion cut it again"},
	{linkAlone, "its parent is gone or stays out"},
	{linkOut, "what the row is restored from has not its columns"},
	{linkUnknown, "its default is another each time, so that nothing tells whether it was changed since the deletion"},
	{linkHeld, ""},
}

// addLink makes source table i feed the foreign key that it cut. On an error
// nothing of it is kept.
func (r *restore) addLink(ctx context.Context, i int, st *journal.Table) error {
	if !st.KeysCaptured {
		return fmt.Errorf("their keys were not captured (%s)", uncaptured(st))
	}
	live, err := r.liveTable(st)
	if err != nil {
		return err
	}
	live = live.Root()
	if why := unsupported(live); why != "" {
		return fmt.Errorf("table %s: %s", display(live), why)
	}
	l := &link{live: live, via: st.Via, staged: fmt.Sprintf("pg_temp.rowback_link_%d", len(r.links)+1)}
	if i < len(r.o.Source.of) {
		l.of = r.o.Source.of[i]
	}
	l.key, l.old = r.renamed(live, namesOf(st.Key)), r.renamed(live, namesOf(st.Old))
	fk := cutKey(live, l.old, st.Via)
	if fk == nil {
		return fmt.Errorf("table %s: no foreign key is on (%s) any more, so the links that the deletion cut cannot be restored", display(live), strings.Join(l.old, ", "))
	}
	l.ref = reference{ForeignKey: fk}
	l.cut = fk.OnDeleteSet
	if len(l.cut) == 0 {
		l.cut = l.ref.Columns
	}
	l.cut = slices.DeleteFunc(slices.Clone(l.cut), func(c string) bool { return !slices.Contains(l.old, c) })
	if slices.ContainsFunc(l.cut, func(c string) bool { return slices.Contains(l.key, c) }) {
		return fmt.Errorf("table %s: the deletion changed the key (%s) itself, by which the rows are on record; link them by hand", display(live), strings.Join(l.key, ", "))
	}
	if err := r.production.describe(ctx, live); err != nil {
		return err
	}
	if err := r.volatile(ctx, l); err != nil {
		return err
	}
	d := r.production.detail[live.OID]
	for _, c := range slices.Concat(l.key, l.old) {
		if live.Column(c) == nil {
			return fmt.Errorf("column %s.%s does not exist in production", display(live), c)
		}
	}
	if !d.uniqueOn(l.key) {
		return fmt.Errorf("no unique index of %s in production is on its key (%s); rows cannot be told apart", display(live), strings.Join(l.key, ", "))
	}
	l.same = d.equals(slices.Concat(l.key, l.old))
	r.links = append(r.links, l)
	r.byFeed[i] = l
	return nil
}

// ruled says why a rule keeps the link from being changed; "" if none does.
func (r *restore) ruled(l *link) string {
	on := "OA"
	if r.replica {
		on = "RA"
	}
	if !strings.ContainsAny(r.production.detail[l.live.OID].updateRules, on) {
		return ""
	}
	return fmt.Sprintf("a rule on UPDATE of table %s does something instead; disable it for the time of the restore (ALTER TABLE … DISABLE RULE)", display(l.live))
}

// leaveRuled lists the links that a rule keeps from being given back.
func (r *restore) leaveRuled() {
	for _, i := range slices.Sorted(maps.Keys(r.byFeed)) {
		l := r.byFeed[i]
		if why := r.ruled(l); why != "" {
			delete(r.byFeed, i)
			r.links = slices.DeleteFunc(r.links, func(o *link) bool { return o == l })
			r.loseLinks(&r.o.Source.Tables[i], why)
		}
	}
}

// loseLinks lists the links of a source table as not to be restored.
func (r *restore) loseLinks(st *journal.Table, why string) {
	r.lost = append(r.lost, Unrestored{Schema: st.Schema, Table: st.Name, Reason: fmt.Sprintf("links of %s not restored, they stay cut: %s", plural(st.Rows, "row"), why)})
}

// cutKey is the foreign key of t over the columns old: the one whose action fits, if there is one.
func cutKey(t *catalog.Table, old []string, via journal.Via) *catalog.ForeignKey {
	action := catalog.SetNull
	if via == journal.SetDef {
		action = catalog.SetDefault
	}
	var found *catalog.ForeignKey
	for _, fk := range t.References {
		within := len(old) > 0 && !slices.ContainsFunc(old, func(c string) bool { return !slices.Contains(fk.Columns, c) })
		if within && (found == nil || fk.OnDelete == action && found.OnDelete != action) {
			found = fk
		}
	}
	return found
}

func (r *restore) makeLink(ctx context.Context, l *link) error {
	var columns []string
	for i, c := range l.key {
		columns = append(columns, quote(c)+" AS "+l.keys()[i])
	}
	for i, c := range l.old {
		columns = append(columns, quote(c)+" AS "+l.olds()[i])
	}
	return r.production.exec(ctx, fmt.Sprintf("CREATE TEMP TABLE %s AS SELECT %s, NULL::text AS rowback_class, NULL::text AS rowback_reason, NULL::bool AS rowback_again FROM %s WITH NO DATA",
		local(l.staged), strings.Join(columns, ", "), l.live.QuotedName()))
}

func (r *restore) stageLink(ctx context.Context, l *link) error {
	defer l.pending.reset()
	return r.production.exec(ctx, fmt.Sprintf("INSERT INTO %s (%s) %s", l.staged, list("", slices.Concat(l.keys(), l.olds())), r.typed(l, &l.pending)))
}

// typed is a query of keys and old values that are given as text.
func (r *restore) typed(l *link, b *batch) string {
	k := positions("k", len(l.key)+len(l.old))
	var values []string
	for i, c := range slices.Concat(l.key, l.old) {
		values = append(values, fmt.Sprintf("k.%s::%s AS %s", k[i], r.production.detail[l.live.OID].columns[c].bare, slices.Concat(l.keys(), l.olds())[i]))
	}
	return fmt.Sprintf("SELECT %s FROM %s", strings.Join(values, ", "), b.sql("k"))
}

func (l *link) keys() []string { return positions("k", len(l.key)) }
func (l *link) olds() []string { return positions("o", len(l.old)) }

// targets are SQL expressions of what the foreign key's columns will hold: the
// old values from alias x of the staged links, and for columns whose old value
// is not known the one of the row itself.
func (l *link) targets(x, row string) []string {
	out := make([]string, len(l.ref.Columns))
	for i, c := range l.ref.Columns {
		if at := slices.Index(l.old, c); at >= 0 {
			out[i] = x + "." + l.olds()[at]
		} else {
			out[i] = row + "." + quote(c)
		}
	}
	return out
}

// volatile finds whether a column was set to a default that is volatile. Such a
// default is not evaluated, and would tell nothing.
func (r *restore) volatile(ctx context.Context, l *link) error {
	for _, c := range l.cut {
		if l.via != journal.SetDef {
			break
		}
		n, err := r.production.number(ctx, fmt.Sprintf(`
			SELECT count(*) FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
			CROSS JOIN LATERAL regexp_matches(d.adbin::text, ':(?:op)?funcid (\d+)', 'g') f JOIN pg_proc p ON p.oid = f[1]::oid
			WHERE d.adrelid = %d AND a.attname = %s AND p.provolatile = 'v'`, l.live.OID, literal(c)))
		if err != nil {
			return err
		}
		if n > 0 {
			l.unknown = c
		}
	}
	return nil
}

// leftAs is what the deletion set column c to.
func (l *link) leftAs(c string, d *detail) string {
	if l.via == journal.SetDef && d.columns[c].defs != "" {
		return "(" + d.columns[c].defs + ")"
	}
	return "NULL"
}

// stillCut is the condition that the link of a row is as the deletion left it; x
// is the alias of the staged links. Not to be asked of one that is unknown.
func (l *link) stillCut(row, x string, d *detail) string {
	var out []string
	for i, c := range l.old {
		left := l.leftAs(c, d)
		if !slices.Contains(l.cut, c) {
			left = x + "." + l.olds()[i]
		}
		out = append(out, notDistinct(row+"."+quote(c), d.equal(c), left))
	}
	return strings.Join(out, " AND ")
}

// isWhole is the condition that a row has its old link, staged as alias x.
func (l *link) isWhole(row, x string) string {
	out := make([]string, len(l.old))
	for i, c := range l.old {
		out[i] = notDistinct(row+"."+quote(c), l.same[len(l.key)+i], x+"."+l.olds()[i])
	}
	return strings.Join(out, " AND ")
}

// equal is the condition that a row of the live table has the key that was staged as alias x.
func (l *link) equal(row, x string) string {
	return equal(row, l.key, x, l.keys(), l.same...)
}
