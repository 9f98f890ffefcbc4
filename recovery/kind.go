package recovery

import (
	"fmt"
	"slices"
	"strings"
)

// A staged row is of a kind, which says what is known of it: kind 0 has the
// columns that the recovery database gives, each further kind those of some
// images. What is not known of a row is NULL in staging, and nothing is concluded
// from it: the row is inserted and compared without.

// kindColumns follow the columns of a staging table: the kind, and what decides
// between rows of one key: the lowest feed (the latest deletion that had its key or
// image; parents, and what only fills columns, come last), then the lowest number.
const kindColumns = "0::int2 AS rowback_kind, 0::int4 AS rowback_feed, 0::int8 AS rowback_no"

const lastFeed = 1<<31 - 1

// kind returns the number of the kind with these columns, found or new.
func (t *table) kind(columns []string) int {
	for k := 1; k < len(t.kinds); k++ {
		if slices.Equal(t.kinds[k], columns) {
			return k
		}
	}
	t.kinds = append(t.kinds, columns)
	return len(t.kinds) - 1
}

// unite settles which columns are staged, and which are known of every row that
// may be staged.
func (t *table) unite(backup bool) {
	t.used = nil
	for k := range t.kinds {
		if k > 0 || t.backup != nil && (backup || len(t.images) == 0) {
			t.used = append(t.used, k)
		}
	}
	t.derive()
	t.columns, t.always = nil, nil
	for _, c := range t.live.Columns {
		some, all := slices.Contains(t.key, c.Name) || t.derived[c.Name] != nil, true
		for _, k := range t.used {
			has := slices.Contains(t.kinds[k], c.Name)
			some, all = some || has, all && has
		}
		if some {
			t.columns = append(t.columns, c.Name)
		}
		if some && all {
			t.always = append(t.always, c.Name)
		}
	}
}

// byKind is an SQL expression: of each kind in use its own, by alias s's kind.
func (t *table) byKind(s string, of func(columns []string) string) string {
	switch len(t.used) {
	case 0:
		return of(t.key)
	case 1:
		return of(t.kinds[t.used[0]])
	}
	var out strings.Builder
	out.WriteString("CASE " + s + ".rowback_kind")
	for _, k := range t.used {
		fmt.Fprintf(&out, " WHEN %d THEN %s", k, of(t.kinds[k]))
	}
	return out.String() + " END"
}

// same is the condition that live row l is staged row s, bit for bit, as far as
// s is known.
func (t *table) same(l, s string) string {
	return t.byKind(s, func(columns []string) string { return sameImage(l, s, columns) })
}

// differs is an SQL expression: the names of the columns in which they differ.
func (t *table) differs(l, s string) string {
	return t.byKind(s, func(columns []string) string { return differing(l, s, columns) })
}

// is is the condition that rows of aliases a and s, of the live table and staged,
// are the same row: by key, or without one by all that is known.
func (t *table) is(a, s string) string {
	if len(t.key) > 0 {
		return t.equal(a, s)
	}
	hash := func(alias string) func([]string) string {
		return func(columns []string) string {
			return fmt.Sprintf("pg_catalog.hashtextextended(ROW(%s)::text, 0)", list(alias+".", columns))
		}
	}
	out := t.same(a, s)
	if len(t.used) == 1 { // lets the planner join by hash; equal rows have equal text
		out = t.byKind(s, hash(a)) + " = " + t.byKind(s, hash(s)) + " AND " + out
	}
	return out
}
