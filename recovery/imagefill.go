package recovery

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// fill is what the recovery database gives images of columns that they do not have.
type fill struct {
	columns  []string
	from, to int  // kinds of rows, without and with the columns
	same     bool // only of rows that are otherwise the same there
}

// addFills settles what the recovery database may fill: columns that the policy keeps out
// of images, which it may have of another time; then those that the images lack for another
// reason (generated ones are not kept, and this one was), which may have been made of others.
func (r *restore) addFills(f *imageFeed) {
	t, known, kind := f.t, f.columns, f.kind
	for _, same := range []bool{false, true} {
		var columns, all []string
		for _, c := range t.live.Columns {
			lacks := !slices.Contains(known, c.Name) && r.backupHas(t, c.Name) && f.excluded(c.Name) != same
			if lacks {
				columns = append(columns, c.Name)
			}
			if lacks || slices.Contains(known, c.Name) {
				all = append(all, c.Name)
			}
		}
		if len(columns) == 0 {
			continue
		}
		f.filled = t.kind(all)
		f.fills = append(f.fills, fill{columns, kind, f.filled, same})
		known, kind = all, f.filled
	}
}

// fillIn does so, where the recovery database's rows are staged, too.
func (r *restore) fillIn(ctx context.Context, t *table, f *imageFeed) error {
	for _, fill := range f.fills {
		var set []string
		for _, c := range fill.columns {
			set = append(set, fmt.Sprintf("%s = b.%[1]s", quote(c)))
		}
		where := t.equal("b", "s")
		if fill.same {
			both := slices.DeleteFunc(slices.Clone(t.kinds[fill.from]), func(c string) bool { return !slices.Contains(t.kinds[0], c) })
			where += " AND " + sameImage("b", "s", both)
		}
		err := r.production.exec(ctx, fmt.Sprintf("ANALYZE %[1]s; UPDATE %[1]s s SET %[2]s, rowback_kind = %[3]d FROM %[1]s b WHERE b.rowback_kind = 0 AND s.rowback_feed = %[4]d AND s.rowback_kind = %[5]d AND %[6]s",
			t.in, strings.Join(set, ", "), fill.to, f.n, fill.from, where))
		if err != nil {
			return err
		}
	}
	return nil
}
