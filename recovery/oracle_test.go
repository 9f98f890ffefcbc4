package recovery

import (
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// story is what happened, as states: the backup, before and after the
// incident, and now.
type story struct{ backup, start, left, now state }

// refer are the values by which a row refers to a parent; "" if it does not.
func refer(row map[string]string, columns []modelColumn) string {
	var out []string
	for _, c := range columns {
		if row[c.name] == null {
			return ""
		}
		out = append(out, row[c.name])
	}
	return strings.Join(out, "\x1f") + "\x1f"
}

// oracle is the state that a restore must lead to, by the rules alone, row by
// row. What the incident took comes back as the backup has it, unless its key
// is there, another row has its unique value, or a parent neither is there nor
// comes back. Links that it cut come back where they still are cut and the
// parent is there. All else stays.
func (m *model) oracle(s story) state {
	want, took := state{}, state{}
	for _, t := range m.tables {
		name := t.display()
		want[name], took[name] = maps.Clone(s.now[name]), map[string]map[string]string{}
		taken := map[string]bool{}
		for _, row := range s.now[name] {
			taken[row["u"]] = true
		}
		for k, row := range s.backup[name] {
			if s.start[name][k] == nil || s.left[name][k] != nil || s.now[name][k] != nil {
				continue
			}
			took[name][k] = row
			if !t.unique || row["u"] == null || !taken[row["u"]] {
				want[name][k] = row
			}
		}
	}
	// there: a parent with this value is there, and it is not the value of one that had to stay out.
	there := func(ref *modelReference, v string) bool {
		found := false
		for _, row := range want[ref.parent.display()] {
			found = found || refer(row, ref.to) == v
		}
		for k, row := range took[ref.parent.display()] {
			if want[ref.parent.display()][k] == nil && refer(row, ref.to) == v {
				return false
			}
		}
		return found
	}
	for again := true; again; {
		again = false
		for _, t := range m.tables {
			for k := range took[t.display()] {
				for _, ref := range t.references {
					if row := want[t.display()][k]; row != nil && refer(row, ref.columns) != "" && !there(ref, refer(row, ref.columns)) {
						delete(want[t.display()], k)
						again = true
					}
				}
			}
		}
	}
	for _, t := range m.tables {
		name := t.display()
		for _, ref := range t.references {
			for k, now := range s.now[name] {
				was, left := s.start[name][k], s.left[name][k]
				if was == nil || left == nil || refer(was, ref.columns) == "" || refer(left, ref.columns) != "" || !there(ref, refer(was, ref.columns)) {
					continue
				}
				cut := true
				for _, c := range ref.columns {
					cut = cut && now[c.name] == null
				}
				if cut {
					want[name][k] = maps.Clone(want[name][k])
					for _, c := range ref.columns {
						want[name][k][c.name] = was[c.name]
					}
				}
			}
		}
	}
	return want
}

// ROWBACK_SEEDS=from-to runs further seeds.
func TestRestore_RandomSchemasAgainstAnOracle(t *testing.T) {
	from, to := seeds(t, 1, 12)
	restored := int64(0)
	for seed := from; seed <= to; seed++ {
		t.Run("seed "+strconv.FormatUint(seed, 10), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			m := newModel(r)
			l := newLab(t, m.sql()...).backup()
			l.exec(m.mischief(r, r.IntN(8))...)
			s := story{backup: l.state(l.recovery), start: l.state(l.production)}
			id := l.incident(m.incident(r)...)
			s.left = l.state(l.production)
			l.exec(m.mischief(r, r.IntN(25))...)
			s.now = l.state(l.production)
			want := m.oracle(s)
			o := l.options(id)
			if seed%2 == 0 {
				role := l.role(append(allGrants, grantsOn(`"Ö ther"`)...)...)
				o.Production, o.Recovery = l.asRole(l.production, role), l.asRole(l.recovery, role)
			}
			if seed%3 == 0 {
				o.Batch = 7
			}
			report := l.restore(o)
			l.is(l.state(l.production), want)
			for _, c := range report.Tables {
				if sum := c.Restored + c.AlreadyPresent + c.Different + c.Conflicts + c.Missing + c.ParentGone; sum != c.Requested {
					t.Errorf("%+v does not add up", c)
				}
			}
			restored += report.Restored
			if t.Failed() {
				t.Logf("seed %d; again: ROWBACK_SEEDS=%[1]d go test ./recovery -run RandomSchemas\n%s", seed, strings.Join(m.sql(), ";\n"))
			}
		})
	}
	if restored < int64(to-from) {
		t.Errorf("%d rows restored over %d seeds: nothing was tried", restored, to-from+1)
	}
}
