package protect

import (
	"fmt"
	"strconv"
	"strings"
)

// Names of the triggers on a guarded table. The one that counts says the mode:
// when the table is dropped, its triggers' names are all that is left of it.
const (
	beforeDelete   = "rowback_begin"
	blockDelete    = "rowback_block"
	alertDelete    = "rowback_alert"
	beforeTruncate = "rowback_truncate"
	afterTruncate  = "rowback_end"
	// dropTrigger is the event trigger.
	dropTrigger = "rowback_drop"
	// linkTrigger begins the names of those that see links being cut.
	linkTrigger = "rowback_link_"
)

// Bits of pg_trigger.tgtype.
const (
	bitRow      = 1 << 0
	bitBefore   = 1 << 1
	bitDelete   = 1 << 3
	bitUpdate   = 1 << 4
	bitTruncate = 1 << 5
)

// trigger is one trigger of ours, as it is or as it should be.
type trigger struct {
	name, function string // the function without the schema
	bits           int
	oldTable       string
	arguments      arguments
	enabled        byte // pg_trigger.tgenabled
	// of and when narrow a trigger for links; the name of its function stands for them.
	of, when string
}

// arguments of a trigger say everything about a table's guard, so that no
// table has to, and a dump keeps it.
type arguments struct {
	version int
	limits  Limits
	role    role
}

// role is why a table is guarded.
type role string

const (
	named   role = "named"   // somebody asked for it
	alone   role = "alone"   // likewise, without what a DELETE on it cascades to
	follows role = "follows" // partition, child, or cascaded to
	linked  role = "linked"  // not guarded: only the links that a DELETE elsewhere cuts are recorded
)

func (a arguments) strings() []string {
	return []string{strconv.Itoa(a.version), strconv.FormatInt(a.limits.Threshold, 10), string(a.limits.Mode), string(a.role)}
}

// readArguments reads pg_trigger.tgargs.
func readArguments(raw []byte) (a arguments) {
	parts := strings.Split(strings.TrimSuffix(string(raw), "\x00"), "\x00")
	for len(parts) < 4 {
		parts = append(parts, "")
	}
	a.version, _ = strconv.Atoi(parts[0])
	a.limits.Threshold, _ = strconv.ParseInt(parts[1], 10, 64)
	a.limits.Mode, a.role = Mode(parts[2]), role(parts[3])
	return a
}

// triggersFor are the triggers that a guarded table should have.
func triggersFor(a arguments, onDelete, onTruncate function) []trigger {
	counting := blockDelete
	if a.limits.Mode == Alert {
		counting = alertDelete
	}
	return []trigger{
		{name: beforeDelete, function: "guard_begin", bits: bitBefore | bitDelete, arguments: a, enabled: 'O'},
		{name: counting, function: onDelete.name, bits: bitDelete, oldTable: "rowback_old", arguments: a, enabled: 'O'},
		{name: beforeTruncate, function: onTruncate.name, bits: bitBefore | bitTruncate, arguments: a, enabled: 'O'},
		{name: afterTruncate, function: "guard_end", bits: bitTruncate, arguments: a, enabled: 'O'},
	}
}

func (t trigger) same(o trigger) bool {
	t.enabled, o.enabled = 0, 0
	t.of, o.of, t.when, o.when = "", "", "", ""
	return t == o
}

// fires: also where it was made to fire always.
func (t trigger) fires() bool { return t.enabled == 'O' || t.enabled == 'A' }

func (t trigger) create(table string) string {
	when, event, old, each := "AFTER", "DELETE", "", "STATEMENT"
	if t.bits&bitBefore != 0 {
		when = "BEFORE"
	}
	if t.bits&bitTruncate != 0 {
		event = "TRUNCATE"
	}
	if t.bits&bitUpdate != 0 {
		event = "UPDATE OF " + t.of
	}
	if t.bits&bitRow != 0 {
		each = "ROW WHEN (" + t.when + ")"
	}
	if t.oldTable != "" {
		old = " REFERENCING OLD TABLE AS " + t.oldTable
	}
	var args []string
	for _, a := range t.arguments.strings() {
		args = append(args, literal(a))
	}
	return fmt.Sprintf("CREATE TRIGGER %s %s %s ON %s%s FOR EACH %s EXECUTE FUNCTION rowback.%s(%s)",
		t.name, when, event, table, old, each, t.function, strings.Join(args, ", "))
}

func dropTriggerOn(name, table string) string { return "DROP TRIGGER " + name + " ON " + table }
