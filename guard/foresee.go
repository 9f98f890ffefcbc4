package guard

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/sqlparse"
)

// foresee judges a statement with a plan before it runs, as far as that can be
// told: by its kind, and where it is to be held, or runs away, by a count of its
// rows that locks none and stops somewhere over the limit. p is the portal it is bound to, nil
// for a simple Query. errFailed: it is refused, and the client told.
func (r *run) foresee(ctx context.Context, p *portal) error {
	var tables []*catalog.Table
	if r.plan.target != nil {
		tables = append(tables, r.plan.target)
	}
	if err := r.permit(ctx, tables); err != nil {
		return err
	}
	if err := r.lookAhead(ctx, p); err != nil {
		return err
	}
	return r.askKinds(ctx, nil, false)
}

// lookAhead is the part of foresee that counts.
func (r *run) lookAhead(ctx context.Context, p *portal) error {
	mode := policy.Hold
	max := r.enough(mode)
	if max == 0 {
		away, err := r.runsAway(ctx, p)
		if err != nil {
			return err
		}
		if mode = policy.Block; away {
			max = r.enough(mode)
		}
	}
	if max == 0 || p != nil && !r.s.bindable(p) {
		return nil
	}
	probe, err := r.st.Probe(r.plan.capture, max)
	if errors.Is(err, sqlparse.ErrProbe) {
		return nil // it is held when it has run
	}
	if err != nil {
		return err
	}
	if err := r.sound(ctx, p); err != nil {
		return err
	}
	counts, err := r.look(ctx, p, probe)
	if e := (*serverError)(nil); errors.As(err, &e) { // as the statement itself would have failed
		if err := r.w.Reply('E', withoutPosition(e.whole)); err != nil {
			return err
		}
		return errFailed
	}
	if err != nil || counts == nil {
		return err
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	return r.expect(ctx, counts, max, mode)
}

// sound has the server say what is wrong with the statement's text, or with its values,
// before a probe of it meets that in a text of its own. p is as in foresee.
func (r *run) sound(ctx context.Context, p *portal) error {
	if p == nil {
		_, err := tryStatement(ctx, r.w, r.st.Text, nil)
		if f := (*failure)(nil); errors.As(err, &f) {
			if err := r.w.Reply('E', shiftPosition(f.body, r.st.runes)); err != nil {
				return err
			}
			return errFailed
		}
		return err
	}
	h := r.bind
	if h == nil {
		return nil
	}
	r.bind = nil
	return r.s.sendBind(ctx, r.w, h)
}

// bindable reports whether the statement that a portal is bound to can be bound once
// more: its values are kept, and its name means it still.
func (s *session) bindable(p *portal) bool {
	return p.params != nil && p.bound == s.exchange && !p.closed && s.stmts[short(p.statement)] == p.prepared
}

// shown is how many rows a probe counts for the operator who is to decide,
// limit or not: they are only read, and of more the number is said to be a lower bound.
const shown = 100_000

// enough is how many rows a probe has to find for the rules of a mode, 0 if there is nothing to probe for.
func (r *run) enough(mode policy.Mode) int64 {
	if !r.capturing() {
		return 0
	}
	var sum int64
	seen := map[string]bool{}
	for _, st := range r.plan.steps {
		rule := r.s.rules.ruleFor(st.table)
		if seen[rule.Name] || rule.Mode != mode {
			continue
		}
		seen[rule.Name] = true
		for _, limit := range []int64{rule.Statement, rule.Transaction} {
			if limit != policy.Unlimited {
				sum = max(sum, limit+1)
			}
		}
		for _, w := range rule.Windows {
			sum = max(sum, w.Rows+1)
		}
	}
	if sum > 0 || len(r.kinds) > 0 && mode == policy.Hold {
		sum = max(sum, shown)
	}
	return sum
}

// look runs a probe: how many rows each step has. nil: it must not be run. p is as in foresee.
func (r *run) look(ctx context.Context, p *portal, probe sqlparse.Probe) (map[int]int64, error) {
	if ok, err := r.harmless(ctx, probe.Functions); err != nil || !ok {
		return nil, err
	}
	rows, err := r.beforehand(ctx, p, probe.SQL)
	if err != nil {
		return nil, err
	}
	counts := map[int]int64{}
	for _, row := range rows {
		step, err := strconv.Atoi(text(row[0]))
		if err != nil {
			return nil, fmt.Errorf("%w: probe", errMalformed)
		}
		if counts[step], err = strconv.ParseInt(text(row[1]), 10, 64); err != nil {
			return nil, fmt.Errorf("%w: probe", errMalformed)
		}
	}
	return counts, nil
}

// beforehand runs a query with the statement's own parameters. p is as in foresee.
func (r *run) beforehand(ctx context.Context, p *portal, sql string) ([][]*string, error) {
	types, bind := []byte(nil), bindText(private, private)
	if p != nil {
		var err error
		if types, err = parameterTypes(ctx, r.w, p.statement); err != nil {
			return nil, err
		}
		bind = joinBind(private, private, p.params, nil)
	}
	sendStatement(r.w, sql, types, bind)
	r.w.Send('H', nil)
	return receiveQuery(ctx, r.w)
}

// harmless reports whether a probe sees what the statement will see, and calls
// nothing that must not be called twice, and whether the statement may delete at all.
func (r *run) harmless(ctx context.Context, functions []string) (bool, error) {
	oids := make([]string, len(r.plan.steps))
	for i, st := range r.plan.steps {
		oids[i] = strconv.FormatUint(uint64(st.table.OID), 10)
	}
	names := make([]string, len(functions))
	for i, f := range functions {
		names[i] = literal(f)
	}
	rows, err := lookup{w: r.w}.Query(ctx, "SELECT (EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) ANY (ARRAY["+strings.Join(oids, ",")+"]::pg_catalog.oid[]) AND pg_catalog.row_security_active(c.oid))"+
		" OR EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE pg_catalog.lower(p.proname::pg_catalog.text) OPERATOR(pg_catalog.=) ANY (ARRAY["+strings.Join(names, ",")+"]::pg_catalog.text[]) AND p.provolatile OPERATOR(pg_catalog.=) 'v')"+
		" OR pg_catalog.current_setting('transaction_read_only') OPERATOR(pg_catalog.=) 'on')::pg_catalog.text")
	return err == nil && len(rows) == 1 && text(rows[0][0]) == "false", err
}

// expect judges what a probe has found, as if it were gone, by the rules of a mode.
func (r *run) expect(ctx context.Context, counts map[int]int64, max int64, mode policy.Mode) error {
	rm := &r.s.tx.removals
	var sum int64
	for i, st := range r.plan.steps {
		if counts[i] == 0 {
			continue
		}
		sum += counts[i]
		root := st.table.Root()
		rm.tables[rm.table(st.share(root))].Rows += counts[i]
	}
	removed := r.since()
	r.ahead, r.probing, r.atLeast = true, true, sum >= max
	defer func() { r.ahead, r.probing, r.atLeast = false, false, false }()
	if err := r.askKinds(ctx, removed, true); err != nil {
		return err
	}
	if v := r.judge(removed); v.rule != nil && v.rule.Mode == mode {
		if err := r.decide(ctx, v, removed); err != nil {
			return err
		}
	}
	return r.unexpect()
}

// unexpect takes back what was judged as if it were gone. What people are to be told stays.
func (r *run) unexpect() error {
	rm := &r.s.tx.removals
	over, rule := rm.over, rm.rule
	err := r.s.tx.rewind(r.mark)
	rm.over, rm.rule = over, rule
	return err
}
