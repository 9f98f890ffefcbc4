package guard

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// A row that another session moves out of a cascade while that runs, and one that it adds
// to it, leave the counts as they are. The one that was captured is there yet: so what was
// captured is looked for, by its keys, where a transaction of another session has ended
// meanwhile. At REPEATABLE READ the cascade fails if it meets a row that was added.

// changedByOthers is why the keys of a cascade, or its links, may be of other rows.
const changedByOthers = "other sessions changed rows of it while the statement ran"

// sought are how many keys are looked for at a time.
const sought = 10_000

// seeker looks for rows of a table by their keys.
type seeker struct {
	types []string          // of the key's columns
	keys  []strings.Builder // arrays of them, without their braces
	from  string            // behind the arrays in the query
	n     int
	found int64
}

// exchanged finds the shares of which rows that were captured are there, or still have
// a link: how many of these.
func (r *run) exchanged(ctx context.Context) error {
	if !r.capturing() || !r.tracked() || r.before.ended == r.after.ended {
		return nil
	}
	seekers := map[int]*seeker{}
	for i, st := range r.plan.steps {
		for _, t := range st.table.Leaves() {
			if at, any := r.placed(i, t); any && seekers[at] == nil {
				if s := r.seeker(st, t.Root()); s != nil {
					seekers[at] = s
				}
			}
		}
	}
	if len(seekers) == 0 {
		return nil
	}
	for row, err := range r.s.tx.keys.Since(r.first) {
		if err != nil {
			return err
		}
		if s := seekers[row.Table]; s != nil && s.add(row) {
			if err := s.seek(ctx, r); err != nil {
				return err
			}
		}
	}
	r.swapped = map[int]int64{}
	for at, s := range seekers {
		if err := s.seek(ctx, r); err != nil {
			return err
		}
		r.swapped[at] = s.found
	}
	return nil
}

// seeker is for a step's rows in a table, nil if they cannot be looked for: what is
// recorded of their keys must mean the same to this session.
func (r *run) seeker(st step, t *catalog.Table) *seeker {
	s := &seeker{keys: make([]strings.Builder, len(st.key))}
	var names, conds []string
	for i, c := range st.key {
		base := t.Column(c.Name).BaseType
		if !readsBack[base] || r.plan.encoding != "UTF8" && !wordless[base] {
			return nil
		}
		name := fmt.Sprintf("k%d", i)
		s.types, names = append(s.types, "::pg_catalog."+base+"[]"), append(names, name)
		conds = append(conds, "x."+quote(c.Name)+" OPERATOR(pg_catalog.=) k."+name)
	}
	limit := " LIMIT 1"
	switch {
	case len(st.key) == 0:
		return nil
	case st.via == journal.SetNull:
		var links []string
		for _, c := range st.old {
			links = append(links, "x."+quote(c.Name))
		}
		conds = append(conds, "pg_catalog.num_nonnulls("+strings.Join(links, ", ")+") OPERATOR(pg_catalog.>) 0")
		limit = ""
	case st.via != journal.Cascade:
		return nil
	}
	only := "ONLY "
	if t.Kind == 'p' {
		only = ""
	}
	// As in a captured form, OFFSET 0 keeps the planner on the key's index.
	s.from = ") k(" + strings.Join(names, ", ") + "), LATERAL (SELECT FROM " + only + t.QuotedName() + " x WHERE " + strings.Join(conds, " AND ") + " OFFSET 0) y" + limit + ") z"
	return s
}

// readsBack are the types of keys that are looked for.
var readsBack = map[string]bool{"int2": true, "int4": true, "int8": true, "numeric": true, "uuid": true, "text": true, "varchar": true, "bpchar": true,
	"bool": true, "date": true, "timestamp": true, "timestamptz": true}

// add reports whether it is time to seek.
func (s *seeker) add(row journal.Row) bool {
	for i := range s.keys {
		s.keys[i].WriteString(`,"` + escaped.Replace(text(row.Values[i])) + `"`)
	}
	s.n++
	return s.n == sought
}

var escaped = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// seek looks for the keys added since the last time.
func (s *seeker) seek(ctx context.Context, r *run) error {
	if s.n == 0 {
		return nil
	}
	var arrays []string
	for i := range s.keys {
		arrays = append(arrays, "pg_catalog.unnest("+literal("{"+s.keys[i].String()[1:]+"}")+s.types[i]+")")
		s.keys[i].Reset()
	}
	s.n = 0
	is, err := one(ctx, lookup{w: r.w}, "SELECT pg_catalog.count(*) FROM (SELECT FROM ROWS FROM ("+strings.Join(arrays, ", ")+s.from)
	if err != nil {
		return r.told(err)
	}
	n, err := strconv.ParseInt(is, 10, 64)
	s.found += n
	return err
}

// exchangedOf says that rows of a table that were captured have not gone, "" if none are known.
func (r *run) exchangedOf(o uint32) string {
	t := r.s.view.snap.Tables[o]
	if t == nil || r.swapped == nil {
		return ""
	}
	for i, st := range r.plan.steps {
		if st.via != journal.Cascade || st.table != t && st.table != t.Root() {
			continue
		}
		if at, any := r.placed(i, t); any && r.swapped[at] > 0 {
			return changedByOthers
		}
	}
	return ""
}
