package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rowback/rowback/recovery"
)

// restore: what would make tonight's fail, said today, as far as the databases
// that can be reached show it.
func (e *examination) restore(ctx context.Context) {
	if e.production == nil {
		e.reading(ctx)
		return
	}
	alone := ""
	if e.recovery == nil {
		alone = "; of the recovery database nothing is known"
	}
	out, err := recovery.Foresee(ctx, e.production, e.recovery, e.o.Restore)
	if err != nil {
		e.fail("restore", "", "%v", err)
		return
	}
	if len(out.Config) > 0 {
		e.add(Check{Name: "restore", Status: Fail, List: out.Config, Seen: "the configuration of restores does not fit the databases", Mend: "mend the key restore in the configuration"})
	}
	list := func(name string, status Status, items []string, seen, mend string) {
		if len(items) > 0 {
			e.add(Check{Name: name, Status: status, Seen: fmt.Sprintf(seen, recovery.Plural(int64(len(items)), "table")), Mend: mend, List: items})
		}
	}
	kept := e.keeping(ctx)
	missing, keyless := kept.of(out.Missing), kept.of(out.Keyless)
	switch bad := len(missing.some) + len(missing.none) + len(out.Unfit); {
	case out.Tables == 0:
		e.warn("tables", "name the database with --production", "production has no tables")
	case bad == 0:
		e.ok("tables", "all %s of production can be restored into, by key%s", recovery.Plural(int64(out.Tables-len(out.Keyless)), "table"), alone)
	}
	const newer = "load a newer backup, one of the whole database (rowback backup load); what was renamed since needs none: say restore: {tables: {NEW: {from: OLD}}} in the configuration"
	list("tables", Fail, missing.none, "%s of production not in the recovery database: their rows could not be restored", newer)
	list("tables", Warn, missing.some, "%s of production not in the recovery database, and rules keep whole rows of what some remove, not of what others do", newer+"; or have the other rules keep rows, too")
	list("tables", Note, missing.all, "%s of production not in the recovery database: "+imagesAlone, "")
	list("tables", Fail, out.Unfit, "rows of %s could not be restored", "load a backup of production as it is now, or change production back")
	list("tables", Note, keyless.all, "%s without an identity key: "+imagesAlone, "")
	list("tables", Warn, slices.Concat(keyless.some, keyless.none), "%s without an identity key: their rows are counted, but cannot be told apart", "give them a primary key")
	if len(out.Denied) > 0 {
		mend := "name a role for restores in production, apart from the upstream's; or run these statements"
		if !slices.ContainsFunc(out.Denied, func(d string) bool { return strings.HasPrefix(d, "production: ") }) {
			mend = "run these statements in the recovery database, or name another role in recovery: it needs to read alone"
		}
		e.add(Check{Name: "privileges", Status: Fail, List: out.Denied, Seen: "this role may not do all that a restore does", Mend: mend})
	} else {
		e.ok("privileges", "a restore may read and write all that it must%s", alone)
	}
	if out.Loud != "" {
		e.warn("triggers", out.LoudMend, "triggers would fire for restored rows: %s", out.Loud)
	}
	if len(out.Always) > 0 {
		e.add(Check{Name: "triggers", Status: Warn, List: out.Always, Seen: "these fire for restored rows whatever is done (ENABLE ALWAYS or REPLICA)", Mend: "see whether that is wanted; if not, ALTER TABLE … ENABLE TRIGGER, which fires for clients alone"})
	}
	if out.Loud == "" && len(out.Always) == 0 {
		e.ok("triggers", "stay quiet while rows are restored")
	}
	if len(out.Warnings) > 0 {
		e.add(Check{Name: "columns", Status: Warn, List: out.Warnings, Seen: "restored rows would not be quite as they were", Mend: "load a backup of production as it is now"})
	}
}

// reading: of a restore, what shows without production.
func (e *examination) reading(ctx context.Context) {
	if e.recovery == nil {
		return
	}
	denied, err := recovery.ForeseeReading(ctx, e.recovery)
	switch {
	case err != nil:
		e.fail("restore", "", "%v", err)
	case len(denied) > 0:
		e.add(Check{Name: "privileges", Status: Fail, List: denied, Seen: "this role may not read all of the recovery database", Mend: "run these statements, or restore as another role"})
	default:
		e.ok("privileges", "a restore may read every table of the recovery database; of production nothing is known")
	}
}
