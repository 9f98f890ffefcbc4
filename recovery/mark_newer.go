package recovery

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// newer is the condition that x, a row that stays out, is one that the recovery database
// has not and that was soft-deleted: it was in production all the time.
func (t *table) newer(x string) string {
	if t.mark == nil {
		return "false"
	}
	return fmt.Sprintf("(%s.rowback_feed IS NOT NULL AND EXISTS (SELECT FROM %s m WHERE %s))", x, t.mark.staged, t.equal("m", x))
}

const unmarkable = "soft delete not set back: there is no such row in a recovery database to tell how it was before; set it back by hand, if it still bears the mark"

// holdNewer holds rows back that the recovery database has not, unless it is plain what
// they were: a row begins unmarked, and of marks since the journal knows.
func (r *restore) holdNewer(ctx context.Context, t *table) error {
	set := "rowback_class = rowback_class"
	for _, c := range t.mark.columns {
		switch t.markKind(c) {
		case markBool:
			set += fmt.Sprintf(", %s = false", quote(c))
		case markUnknown:
			return r.production.exec(ctx, fmt.Sprintf("UPDATE %s x SET rowback_class = '%s' WHERE x.rowback_class = '%s' AND %s", t.left, classHeld, classDifferent, t.newer("x")))
		}
	}
	return r.production.exec(ctx, fmt.Sprintf("UPDATE %s x SET %s WHERE x.rowback_class = '%s' AND %s", t.left, set, classDifferent, t.newer("x")))
}

// How a column marks a row, as far as that can be told whatever the application takes
// for a mark.
const (
	markUnknown = iota
	markBool    // by being true
	markTime    // by being there
)

func (t *table) markKind(c string) int {
	switch d := t.detail.columns[c]; {
	case d.bare == "boolean":
		return markBool
	case slices.Contains([]string{"timestamp with time zone", "timestamp without time zone", "date"}, d.bare) && !d.hasDef:
		return markTime
	}
	return markUnknown
}

// marks is the condition that row x is marked by one of the columns.
func (t *table) marks(x string, columns []string) string {
	out := []string{"false"}
	for _, c := range columns {
		switch kind := t.markKind(c); {
		case !slices.Contains(t.columns, c):
		case kind == markBool:
			out = append(out, x+"."+quote(c)+" IS TRUE")
		case kind == markTime:
			out = append(out, x+"."+quote(c)+" IS NOT NULL")
		}
	}
	return "(" + strings.Join(out, " OR ") + ")"
}
