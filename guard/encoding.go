package guard

import (
	"context"
	"slices"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/proxy"
)

// encoding is the session's client_encoding. Only after Quiesce.
func (s *session) encoding(ctx context.Context, w proxy.Wire) (string, error) {
	if e := s.encoded; e != nil && e.exchange == s.exchange && e.sets == s.sets.before {
		return e.as, nil
	}
	if s.sets.before <= 0 || s.aborted(w) {
		return w.Parameter("client_encoding"), nil
	}
	as, err := one(ctx, lookup{w: w}, "SELECT pg_catalog.pg_client_encoding()")
	if err == nil {
		s.encoded = &encoded{s.exchange, s.sets.before, as}
	}
	return as, err
}

// encoded is what client_encoding was after so many statements of an exchange.
type encoded struct {
	exchange int
	sets     int32
	as       string
}

// misspelt: texts were read as of another client_encoding than the statement has set.
func (r *run) misspelt() (any bool) {
	if !r.capturing() || !r.plan.worded || r.after.encoding == "" || r.after.encoding == r.plan.encoding {
		return false
	}
	const why = "client_encoding was set while the statement ran"
	for at, i := range r.index {
		if r.rowsSince(i) > 0 {
			share := &r.s.tx.removals.tables[i]
			share.KeysCaptured, share.Why = false, why
			r.plan.steps[at.step].image.without(why).note(share)
			any = true
		}
	}
	return any
}

// speaks reports whether what is captured of a step as text may hold more than ASCII.
func speaks(r catalog.Step) bool {
	names := r.Table.Key
	if r.Key != nil && r.Unlinks() {
		names = append(slices.Clone(names), r.Key.Columns...)
	}
	return slices.ContainsFunc(names, func(name string) bool {
		c := r.Table.Column(name)
		return c == nil || !wordless[c.BaseType] || c.BaseType == "money"
	})
}
