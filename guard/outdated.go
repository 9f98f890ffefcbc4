package guard

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/catalog"
)

// outOfDate refuses what ran by a catalog that is not up to date: the client is to run it again.
func (r *run) outOfDate(ctx context.Context) error {
	r.s.epoch++
	if err := r.s.tx.rewind(r.mark); err != nil {
		return err
	}
	return r.s.refuse(ctx, r.w, changedError())
}

// outdated reports whether what hangs on the target has changed since the
// catalog was read: a foreign key, trigger, rule or partition made elsewhere.
func (r *run) outdated() bool {
	p := r.plan
	if p == nil || p.signature == "" || p.depends == r.after.depends {
		return false
	}
	r.s.db.misread()
	return true
}

// renamed reports whether the statement's target is not the one that it was
// planned for. A name that was changed in sight is the plan's to know.
func (r *run) renamed() bool {
	p := r.plan
	if p == nil || p.target == nil || p.epoch != r.s.epoch || r.before.target == p.target.OID {
		return false
	}
	exact := r.exact()
	r.s.renames = true
	if !exact {
		return true
	}
	// Read after it: it may have been what changed the name. Its rows tell.
	if r.direct == 0 {
		return true
	}
	for o := range r.captured {
		if !slices.ContainsFunc(p.target.Leaves(), func(t *catalog.Table) bool { return t.OID == o }) {
			return true
		}
	}
	r.s.epoch++
	return false
}

// misread reports whether an error is about what the captured form has beside the
// client's own text: the catalog was read before that changed.
func (p *plan) misread(st judged, body []byte) bool {
	var e pgproto3.ErrorResponse
	if e.Decode(body) != nil {
		return false
	}
	if e.Code == "0A000" && !st.Returning && strings.Contains(e.Message, "RETURNING") { // a rule made since
		return true
	}
	if e.Code == "42501" { // a privilege on what the client's text does not name was taken away since
		named := p.steps[0].table
		for _, st := range p.steps {
			if strings.Contains(e.Message, st.table.Name) && (named == p.steps[0].table && !strings.Contains(e.Message, named.Name) || len(st.table.Name) > len(named.Name)) {
				named = st.table
			}
		}
		return named != p.steps[0].table
	}
	if !strings.HasPrefix(e.Code, "42") || e.Position == 0 {
		return false
	}
	at := int(e.Position) - p.captured.Shift
	return at < 1 || at > runeCount(st.Text)
}
