package protect

import (
	"context"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/catalog"
)

// Remove takes the guard off tables: off what somebody asked for, and off what
// followed and has nothing left to follow. Errors as Install's.
func Remove(ctx context.Context, conn *pgx.Conn, o RemoveOptions) (*Plan, error) {
	return change(ctx, conn, o.LockTimeout, o.DryRun, func(ctx context.Context, p *planner) error { return p.remove(ctx, o) })
}

func (p *planner) remove(ctx context.Context, o RemoveOptions) error {
	if !p.installed() {
		p.note("nothing is installed in database %s", p.snap.Database)
		return nil
	}
	if err := p.mine(); err != nil {
		return err
	}
	asked := p.named()
	gone := slices.Collect(maps.Keys(asked))
	if !o.All {
		found, notes, err := p.resolve(o.Tables)
		if err != nil {
			return err
		}
		gone, p.plan.Notes = found, append(p.plan.Notes, notes...)
	}
	for _, t := range gone {
		if p.guarded[t.OID] == nil {
			p.note("%s is not guarded", show(t))
		} else if _, ok := asked[t]; !ok {
			return badRequest("%s is guarded because a DELETE on %s reaches it: remove that, or guard that with --no-cascades", show(t), leaders(t, asked))
		}
		delete(asked, t)
	}
	before := p.named()
	want := p.desired(asked)
	var touched []*catalog.Table
	reached := map[*catalog.Table]bool{} // their limits may change
	for _, t := range gone {
		for _, x := range withLinks(t) {
			reached[x] = true
		}
	}
	for _, g := range p.guarded {
		if _, stays := want[g.table]; !stays || reached[g.table] {
			touched = append(touched, g.table)
		}
	}
	if err := p.details(ctx, touched); err != nil {
		return err
	}
	if err := p.owns(touched); err != nil {
		return err
	}
	for _, t := range sorted(touched) {
		if a, stays := want[t]; stays {
			p.table(t, a)
			c := Change{Action: "keep", Limits: a.limits.String(), Why: "follows " + leaders(t, asked)}
			switch a.role {
			case named, alone:
				c.Why = "asked for"
			case linked:
				c.Limits, c.Why = "links only", p.parents(t)
			}
			p.changed(t, c)
			continue
		}
		p.release(t)
		c := Change{Action: "release", Why: "asked for"}
		if _, own := before[t]; !own {
			c.Why = "it only followed " + leaders(t, before)
		}
		p.changed(t, c)
	}
	p.sweep()
	if len(p.guarded) == 0 && p.event != 0 {
		p.add("DROP EVENT TRIGGER " + dropTrigger)
	}
	if !o.Purge {
		if len(p.guarded) == 0 {
			p.note("the evidence stays, in schema rowback; 'rowback protect remove --all --purge' takes it away")
		}
		return nil
	}
	if len(p.guarded) > 0 {
		return badRequest("--purge takes away what all guards need, and other tables stay guarded: remove them too, with --all")
	}
	return p.purge()
}

// purge drops the schema, piece by piece: what somebody else has put there makes it fail.
func (p *planner) purge() error {
	if p.version < 1 {
		return badRequest("schema rowback is not the guard's, or only half of it: drop it by hand")
	}
	for _, t := range tables {
		p.add("DROP TABLE rowback." + t)
	}
	for _, name := range slices.Sorted(maps.Keys(p.functions)) {
		p.add("DROP FUNCTION rowback." + name)
	}
	p.add("DROP SCHEMA rowback")
	return nil
}
