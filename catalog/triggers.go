package catalog

import (
	"cmp"
	"slices"
	"strings"
)

// Bits of pg_trigger.tgtype.
const (
	triggerBefore   = 1 << 1
	triggerInsert   = 1 << 2
	triggerDelete   = 1 << 3
	triggerUpdate   = 1 << 4
	triggerTruncate = 1 << 5
	triggerInstead  = 1 << 6
)

// triggerRow is a trigger as the catalog has it.
type triggerRow struct {
	table   *Table
	trigger Trigger
	oid     uint32 // of the function
	bits    int
	uses    []node // functions of its WHEN condition, and its own
	// deferrable: a constraint trigger that may fire at COMMIT.
	deferrable bool
}

func (r *triggerRow) enabled() bool { return r.trigger.Enabled != 'D' }

// trigger: oid, table, name, enabled, type bits, function, its schema, its name, deferrable.
func (l *loader) trigger(d document) {
	t := l.snapshot.Tables[d.oid(1)]
	if t == nil {
		return
	}
	bits := int(d.number(4))
	l.triggers[d.oid(0)] = &triggerRow{
		table: t, oid: d.oid(5), bits: bits, deferrable: d.flag(8),
		trigger: Trigger{Name: d.text(2), Enabled: d.char(3), Event: event(bits), Function: d.text(6) + "." + d.text(7)},
	}
}

// event writes a trigger's firing as CREATE TRIGGER does: "BEFORE DELETE OR INSERT".
func event(bits int) string {
	when := "AFTER "
	switch {
	case bits&triggerInstead != 0:
		when = "INSTEAD OF "
	case bits&triggerBefore != 0:
		when = "BEFORE "
	}
	var events []string
	for _, e := range []struct {
		bit  int
		name string
	}{{triggerDelete, "DELETE"}, {triggerInsert, "INSERT"}, {triggerUpdate, "UPDATE"}, {triggerTruncate, "TRUNCATE"}} {
		if bits&e.bit != 0 {
			events = append(events, e.name)
		}
	}
	return when + strings.Join(events, " OR ")
}

func (l *loader) attachTriggers() {
	for _, r := range l.triggers {
		r.table.Triggers = append(r.table.Triggers, r.trigger)
		if r.enabled() && r.bits&triggerInstead != 0 && r.bits&triggerDelete != 0 {
			r.table.InsteadOf = true
		}
	}
	for _, t := range l.snapshot.Tables {
		slices.SortFunc(t.Triggers, func(a, b Trigger) int { return cmp.Compare(a.Name, b.Name) })
	}
}

// unsafeTriggers fills in Table.UnsafeTriggers from what may delete.
func (l *loader) unsafeTriggers() {
	reach := &l.snapshot.Reach
	for _, r := range l.triggers {
		fires := triggerDelete
		if slices.ContainsFunc(r.table.References, func(k *ForeignKey) bool { return k.OnDelete.sets() }) {
			fires |= triggerUpdate
		}
		if r.enabled() && r.bits&fires != 0 && l.unsafe(r) != "" {
			r.table.UnsafeTriggers = append(r.table.UnsafeTriggers, r.trigger.Name)
		}
		if why := l.unsafe(r); r.enabled() && r.deferrable && why != "" && (reach.Deferred == "" || why < reach.Deferred) {
			reach.Deferred = why
		}
	}
	for _, t := range l.snapshot.Tables {
		slices.Sort(t.UnsafeTriggers)
	}
}

// unsafe says why a trigger may delete, "" if it may not.
func (l *loader) unsafe(r *triggerRow) Why {
	for _, n := range r.uses {
		if why, ok := l.snapshot.taint[n]; ok {
			return Why("trigger " + r.trigger.Name + ": " + string(why))
		}
	}
	return ""
}

// sets: SET NULL or SET DEFAULT.
func (a Action) sets() bool { return a == SetNull || a == SetDefault }
