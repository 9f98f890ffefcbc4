package protect

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/catalog"
)

// Install guards tables, and mends what is amiss of their guards. The
// connection is straight to the database, outside a transaction; it stays the
// caller's. Errors: *RequestError, *DeniedError, ErrNewer; then nothing was changed.
func Install(ctx context.Context, conn *pgx.Conn, o InstallOptions) (*Plan, error) {
	return change(ctx, conn, o.LockTimeout, o.DryRun, func(ctx context.Context, p *planner) error { return p.install(ctx, o) })
}

func (p *planner) install(ctx context.Context, o InstallOptions) error {
	if err := p.mine(); err != nil {
		return err
	}
	asked, err := p.ask(o)
	if err != nil {
		return err
	}
	all := p.named()
	maps.Copy(all, asked)
	want := p.desired(all)

	// What a DELETE on the tables asked for reaches: guarded before, now or both.
	var scope []*catalog.Table
	for _, t := range sorted(slices.Collect(maps.Keys(asked))) {
		for _, x := range withLinks(t) {
			if _, wanted := want[x]; !slices.Contains(scope, x) && (wanted || p.guarded[x.OID] != nil) {
				scope = append(scope, x)
			}
		}
	}
	if err := p.details(ctx, scope); err != nil {
		return err
	}
	if err := p.owns(slices.Clone(scope)); err != nil {
		return err
	}
	if err := p.base(ctx); err != nil {
		return err
	}
	for _, t := range scope {
		a, wanted := want[t]
		if !wanted {
			p.release(t)
			p.changed(t, Change{Action: "release", Why: "nothing that is asked for leads to it any more"})
			continue
		}
		c := Change{Action: "guard", Limits: a.limits.String(), Why: "asked for"}
		switch a.role {
		case follows:
			c.Why = "follows " + leaders(t, all)
		case linked:
			c.Limits, c.Why = "links only", p.parents(t)
		}
		if p.guarded[t.OID] != nil {
			c.Action = "mend"
		}
		if !p.table(t, a) && c.Action == "mend" {
			c.Action = "keep"
		}
		p.changed(t, c)
	}
	if err := p.drops(o.Drops); err != nil {
		return err
	}
	p.sweep()
	if err := p.grant(ctx, o.Proxy, o.ProxyIfThere); err != nil {
		return err
	}
	if o.NewSecret && p.version > 0 {
		p.add("UPDATE rowback.secret SET secret = " + newSecret)
	}
	if err := p.published(ctx); err != nil {
		return err
	}
	if p.version != Version {
		p.add(fmt.Sprintf("UPDATE rowback.version SET version = %d", Version))
	}
	if p.installed() && !p.tickets || !p.installed() && !p.super {
		p.note("role %s may not see when other sessions began (pg_read_all_stats): deletes through the proxy will be counted by the triggers too", p.role)
	}
	return nil
}

// published warns of publications that the guard's own tables fall under: a
// subscriber without those tables stops.
func (p *planner) published(ctx context.Context) error {
	if p.version > 0 {
		return nil
	}
	rows, err := p.conn.Query(ctx, "SELECT pubname FROM pg_publication WHERE puballtables ORDER BY 1")
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if len(names) > 0 {
		p.note("publication %s is FOR ALL TABLES and takes in schema rowback: its subscribers need these tables too (pg_dump -s -n rowback), before anything is deleted", strings.Join(names, ", "))
	}
	return err
}

// ask is the tables asked for, and how each is to be guarded.
func (p *planner) ask(o InstallOptions) (map[*catalog.Table]arguments, error) {
	asked := map[*catalog.Table]arguments{}
	have := p.named()
	var tables []*catalog.Table
	switch {
	case o.All:
		var notes []string
		tables, notes = p.everything()
		p.plan.Notes = append(p.plan.Notes, notes...)
		if len(tables) == 0 {
			return nil, badRequest("database %s has no table to guard", p.snap.Database)
		}
	case len(o.Tables) > 0:
		found, notes, err := p.resolve(o.Tables)
		if err != nil {
			return nil, err
		}
		tables, p.plan.Notes = found, append(p.plan.Notes, notes...)
	default:
		tables = sorted(slices.Collect(maps.Keys(have)))
		if len(tables) == 0 {
			return nil, badRequest("no table of database %s is guarded yet: name some with --table, or take --all", p.snap.Database)
		}
	}
	for _, t := range tables {
		if why := unguardable(t); why != "" {
			return nil, badRequest("%s cannot be guarded: %s", show(t), why)
		}
		a := arguments{Version, o.Defaults, named}
		if g := p.guarded[t.OID]; g != nil && g.arguments.role != linked {
			a.limits = g.arguments.limits
		}
		if o.Threshold != 0 {
			a.limits.Threshold = o.Threshold
		}
		if o.Mode != "" {
			a.limits.Mode = o.Mode
		}
		if o.Alone || len(o.Tables) == 0 && !o.All && have[t].role == alone {
			a.role = alone
		}
		asked[t] = a
	}
	return asked, nil
}

// leaders names the tables asked for that lead to t.
func leaders(t *catalog.Table, asked map[*catalog.Table]arguments) string {
	var names []string
	for _, a := range sorted(slices.Collect(maps.Keys(asked))) {
		if slices.Contains(reach(a, asked[a].role == named), t) || asked[a].role == named && slices.Contains(withLinks(a), t) {
			names = append(names, show(a))
		}
	}
	return strings.Join(names, ", ")
}

// base brings the schema, its tables and the shared functions up to date.
func (p *planner) base(ctx context.Context) error {
	fresh := p.version < len(migrations)
	for _, steps := range migrations[min(p.version, len(migrations)):] {
		p.add(steps...)
	}
	grantees, err := p.defaultGrantees(ctx)
	if err != nil {
		return err
	}
	if fresh {
		p.add("REVOKE ALL ON SCHEMA rowback FROM "+grantees, "REVOKE ALL ON ALL TABLES IN SCHEMA rowback FROM "+grantees, "REVOKE ALL ON ALL SEQUENCES IN SCHEMA rowback FROM "+grantees)
	}
	created := false
	for _, name := range shared {
		if create := createShared(name); p.functions[name] != bodyOf(create) {
			p.add(create)
			created = true
		}
	}
	if created {
		p.add("REVOKE ALL ON ALL FUNCTIONS IN SCHEMA rowback FROM " + grantees)
	}
	if p.netMissing {
		p.add(netTrigger)
	}
	return nil
}

// defaultGrantees are PUBLIC and whoever ALTER DEFAULT PRIVILEGES of this role
// lets at what it makes.
func (p *planner) defaultGrantees(ctx context.Context) (string, error) {
	rows, err := p.conn.Query(ctx, `SELECT DISTINCT quote_ident(r.rolname) FROM pg_default_acl d, aclexplode(d.defaclacl) a JOIN pg_roles r ON r.oid = a.grantee
		WHERE d.defaclrole = (SELECT oid FROM pg_roles WHERE rolname = current_user) AND d.defaclnamespace = 0 AND r.rolname <> current_user ORDER BY 1`)
	if err != nil {
		return "", err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return strings.Join(append([]string{"PUBLIC"}, names...), ", "), err
}

// drops plans the event trigger.
func (p *planner) drops(d Drops) error {
	switch {
	case d == DropsOff:
		if p.event != 0 {
			p.add("DROP EVENT TRIGGER " + dropTrigger)
		}
		return nil
	case p.event == 'D' || p.event == 'R':
		p.add("ALTER EVENT TRIGGER " + dropTrigger + " ENABLE")
		return nil
	case p.event != 0:
		return nil
	case !p.mayEvent && d == DropsOn:
		return &DeniedError{Role: p.role, Missing: []string{"only a superuser may create event triggers, and without one DROP cannot be watched"}}
	case !p.mayEvent:
		p.note("DROP is not watched: only a superuser may create event triggers")
		return nil
	}
	p.add("CREATE EVENT TRIGGER " + dropTrigger + " ON sql_drop EXECUTE FUNCTION rowback.guard_drop()")
	return nil
}

// grant lets the proxy's role do its part.
func (p *planner) grant(ctx context.Context, role string, ifThere bool) error {
	if role == "" {
		return nil
	}
	var known, may bool
	if err := p.conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", role).Scan(&known); err != nil {
		return err
	}
	switch {
	case !known && ifThere:
		p.note("there is no role %s, which the proxy's upstream names: what comes through the proxy meets these limits, too; name its role with --proxy-role", role)
		return nil
	case !known:
		return badRequest("there is no role %s", role)
	}
	if p.installed() && p.version == Version {
		if err := p.conn.QueryRow(ctx, `SELECT has_schema_privilege($1, 'rowback', 'USAGE') AND has_table_privilege($1, 'rowback.secret', 'SELECT')
			AND has_table_privilege($1, 'rowback.version', 'SELECT') AND has_table_privilege($1, 'rowback.evidence', 'SELECT')
			AND has_table_privilege($1, 'rowback.evidence_key', 'SELECT') AND has_column_privilege($1, 'rowback.evidence', 'collected', 'UPDATE')`, role).Scan(&may); err != nil {
			return err
		}
	}
	if may {
		return nil
	}
	p.note("role %s may read the secret and the evidence: what comes through its proxy is left to that; one that runs already takes it up within some seconds", role)
	to := pgx.Identifier{role}.Sanitize()
	p.add("GRANT USAGE ON SCHEMA rowback TO "+to,
		"GRANT SELECT ON rowback.secret, rowback.version, rowback.evidence, rowback.evidence_key TO "+to,
		"GRANT UPDATE (collected) ON rowback.evidence TO "+to)
	return nil
}
