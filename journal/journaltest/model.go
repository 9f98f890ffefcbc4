package journaltest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/journal"
)

// testUseModel does random things to allowances and to a plain model of them,
// which must agree in every answer and at every step.
func testUseModel(t *testing.T, location NewLocation) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	j := open(t, location(t))
	var model []*journal.Allowance // oldest first
	for step := range 600 {
		at := base.Add(time.Duration(random.IntN(60)) * time.Minute)
		var did string
		var got, want error
		if len(model) == 0 || random.IntN(25) == 0 {
			a := allowance(func(a *journal.Allowance) {
				a.Time = base.Add(time.Duration(step)) // in order
				a.Rows = 1 + random.Int64N(100)
				a.Once = random.IntN(3) == 0
				a.Expires = base.Add(time.Duration(1+random.IntN(90)) * time.Minute)
			})
			model = append(model, a)
			did, got = "grant", j.Grant(t.Context(), a)
		} else {
			a := model[random.IntN(len(model))]
			use := fmt.Sprint("u", random.IntN(4))
			switch random.IntN(20) {
			default:
				rows := random.Int64N(60)
				did, got, want = fmt.Sprint("use ", use, " ", rows), j.Use(t.Context(), a.ID, use, rows, at), modelUse(a, use, rows, at)
			case 0, 1, 2, 3, 4:
				did, got = "unuse "+use, j.Unuse(t.Context(), a.ID, use)
				a.Uses = without(a.Uses, use)
			case 5:
				_, got = j.Revoke(t.Context(), a.ID, "ops", at)
				if did = "revoke"; a.Revoked.IsZero() {
					a.Revoked, a.RevokedBy = at, "ops"
				}
			}
			did += " of " + a.ID
		}
		if !errors.Is(got, want) || (got == nil) != (want == nil) {
			t.Fatalf("seed %d, step %d, %s: %v, want %v", seed, step, did, got, want)
		}
		for _, live := range []time.Time{{}, at} {
			expected := []journal.Allowance(nil)
			for _, a := range slices.Backward(model) {
				if live.IsZero() || a.Left(live) > 0 {
					expected = append(expected, *a)
				}
			}
			if all, err := j.Allowances(t.Context(), live); err != nil || !reflect.DeepEqual(all, expected) {
				t.Fatalf("seed %d, step %d, %s: %v\n%+v\nwant %+v", seed, step, did, err, all, expected)
			}
		}
	}
}

// modelUse is what Use does.
func modelUse(a *journal.Allowance, use string, rows int64, at time.Time) error {
	others := without(a.Uses, use)
	if !a.Revoked.IsZero() || !at.Before(a.Expires) || a.Once && len(others) > 0 || rows > a.Rows-total(others) {
		return journal.ErrSpent
	}
	a.Uses = append(others, journal.Use{ID: use, Time: at, Rows: rows})
	slices.SortFunc(a.Uses, func(x, y journal.Use) int {
		if c := x.Time.Compare(y.Time); c != 0 {
			return c
		}
		return strings.Compare(x.ID, y.ID)
	})
	return nil
}

func without(uses []journal.Use, id string) []journal.Use {
	out := []journal.Use{}
	for _, u := range uses {
		if u.ID != id {
			out = append(out, u)
		}
	}
	return out
}
