package recovery

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/model"
)

func (l *lab) read(m *model.Model, url string) model.State {
	l.t.Helper()
	s, err := m.Read(context.Background(), url)
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

// SEEDS=from-to runs further seeds.
func TestRestore_RandomSchemasAgainstAnOracle(t *testing.T) {
	from, to := seeds(t, 1, 12)
	restored := int64(0)
	for seed := from; seed <= to; seed++ {
		t.Run("seed "+strconv.FormatUint(seed, 10), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			m := model.New(r)
			l := newLab(t, m.SQL()...).backup()
			l.exec(m.Mischief(r, r.IntN(8))...)
			s := model.Story{Backup: l.read(m, l.recovery), Start: l.read(m, l.production)}
			var incident []string
			for _, sql := range m.Incident(r) {
				incident = append(incident, model.Attempt("%s", sql))
			}
			id := l.incident(incident...)
			s.Left = l.read(m, l.production)
			l.exec(m.Mischief(r, r.IntN(25))...)
			s.Now = l.read(m, l.production)
			o := l.options(id)
			if seed%2 == 0 {
				role := l.role(append(allGrants, grantsOn(`"Ö ther"`)...)...)
				o.Production, o.Recovery = l.asRole(l.production, role), l.asRole(l.recovery, role)
			}
			if seed%3 == 0 {
				o.Batch = 7
			}
			report := l.restore(o)
			for _, d := range model.Differ(l.read(m, l.production), m.Oracle(s)) {
				t.Error(d)
			}
			for _, c := range report.Tables {
				if sum := c.Restored + c.AlreadyPresent + c.Different + c.Conflicts + c.Missing + c.ParentGone; sum != c.Requested {
					t.Errorf("%+v does not add up", c)
				}
			}
			restored += report.Restored
			if t.Failed() {
				t.Logf("seed %d; again: SEEDS=%[1]d go test ./recovery -run RandomSchemas\n%s", seed, strings.Join(m.SQL(), ";\n"))
			}
		})
	}
	if restored < int64(to-from) {
		t.Errorf("%d rows restored over %d seeds: nothing was tried", restored, to-from+1)
	}
}
