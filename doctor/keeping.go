package doctor

import (
	"context"
	"slices"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/recovery"
)

// keeping is of which tables of production the rules keep whole rows (capture:
// rows), by name, sorted. It needs production; without it all are empty.
type keeping struct {
	all  []string // whoever removes them
	some []string // of some who remove them
	none []string
}

func (e *examination) keeping(ctx context.Context) (k keeping) {
	if e.production == nil {
		return k
	}
	s, err := e.production.Catalog(ctx)
	if err != nil {
		return k // the restore's check says so
	}
	for _, t := range s.Tables {
		if !recovery.HoldsRows(t) {
			continue
		}
		to := &k.none
		if all, some := e.o.Policy.KeepsRows(s.Database, t.Schema, t.Name); all {
			to = &k.all
		} else if some {
			to = &k.some
		}
		*to = append(*to, journal.QuoteName(t.Schema, t.Name))
	}
	for _, names := range [][]string{k.all, k.some, k.none} {
		slices.Sort(names)
	}
	return k
}

// of is k of these tables alone.
func (k keeping) of(names []string) keeping {
	only := func(tables []string) []string {
		return slices.DeleteFunc(slices.Clone(tables), func(t string) bool { return !slices.Contains(names, t) })
	}
	return keeping{only(k.all), only(k.some), only(k.none)}
}

// imagesAlone is what holds for rows that come from images.
const imagesAlone = "removed rows come back from their images in the journal (capture: rows), those without one not at all"

// noRecovery: without a recovery database there are images, at most.
func (e *examination) noRecovery(ctx context.Context) {
	const name, none, mend = "recovery", "no recovery database is configured: ", "rowback backup load DUMP --server URL makes one out of a dump; name it with --recovery"
	k := e.keeping(ctx)
	switch {
	case !e.keepsRows():
		e.warn(name, mend, none+"nothing could be restored from")
	case len(k.all)+len(k.some)+len(k.none) == 0:
		e.warn(name, mend, none+imagesAlone)
	case len(k.some)+len(k.none) == 0:
		e.note(name, none+imagesAlone)
	case len(k.all)+len(k.some) == 0:
		e.warn(name, mend, none+"nothing could be restored from, since the rules keep rows of other tables than production's")
	default:
		c := Check{Name: name, Status: Warn, Seen: none + imagesAlone + ". Not all are kept of these", Mend: "have the rules keep their rows, too, or: " + mend, List: k.none}
		for _, t := range k.some {
			c.List = append(c.List, t+", of some users, applications or networks")
		}
		e.add(c)
	}
}
