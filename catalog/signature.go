package catalog

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// signature sums up, over some tables, what a DELETE on them sets off: their
// triggers (a foreign key that points at a table gives it some) and the
// functions of these, their rules, and their partitions and children.
type signature struct {
	triggers, lastTrigger, enabled, functions int64
	children, lastChild                       int64
	rules, lastRule                           int64
}

// The last object of a kind tells a new one from one dropped: their numbers grow.
func (s *signature) add(o signature) {
	s.triggers += o.triggers
	s.enabled += o.enabled
	s.functions += o.functions
	s.children += o.children
	s.rules += o.rules
	s.lastTrigger = max(s.lastTrigger, o.lastTrigger)
	s.lastChild = max(s.lastChild, o.lastChild)
	s.lastRule = max(s.lastRule, o.lastRule)
}

func (s signature) String() string {
	return fmt.Sprint(s.triggers, s.lastTrigger, s.enabled, s.functions, s.children, s.lastChild, s.rules, s.lastRule)
}

// Three sums, each with the columns of signature; %s is a condition on the table.
const (
	triggerSums = "SELECT pg_catalog.count(*) AS n, COALESCE(pg_catalog.max(t.oid::pg_catalog.int8), 0) AS last," +
		" COALESCE(pg_catalog.sum(pg_catalog.ascii(t.tgenabled::pg_catalog.text)), 0) AS enabled," +
		" COALESCE(pg_catalog.sum(p.xmin::pg_catalog.text::pg_catalog.int8), 0) AS functions" +
		" FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid WHERE t.tgrelid = %s"
	childSums = "SELECT pg_catalog.count(*) AS n, COALESCE(pg_catalog.max(i.inhrelid::pg_catalog.int8), 0) AS last" +
		" FROM pg_catalog.pg_inherits i WHERE i.inhparent = %s"
	ruleSums = "SELECT pg_catalog.count(*) AS n, COALESCE(pg_catalog.max(r.oid::pg_catalog.int8), 0) AS last" +
		" FROM pg_catalog.pg_rewrite r WHERE r.ev_class = %s"
)

var signaturesSQL = `
SELECT 'signature', pg_catalog.json_build_array(c.oid::pg_catalog.int8, t.n, t.last, t.enabled, t.functions, i.n, i.last, r.n, r.last)::pg_catalog.text
FROM pg_catalog.pg_class c,
LATERAL (` + fmt.Sprintf(triggerSums, "c.oid") + `) AS t,
LATERAL (` + fmt.Sprintf(childSums, "c.oid") + `) AS i,
LATERAL (` + fmt.Sprintf(ruleSums, "c.oid") + `) AS r
WHERE c.oid >= 16384 AND (c.relhastriggers OR c.relhassubclass OR c.relhasrules)`

func (l *loader) signature(d document) error {
	if t := l.snapshot.Tables[d.oid(0)]; t != nil {
		n := func(i int) int64 { return int64(d.number(i)) }
		t.signature = signature{n(1), n(2), n(3), n(4), n(5), n(6), n(7), n(8)}
	}
	return nil
}

// Signature returns an SQL expression, and the text that it has as long as a
// DELETE on t sets off what this snapshot says: the same triggers, rules,
// foreign keys and partitions, on t and all that it cascades to. Read after the
// DELETE and in its transaction, whose locks keep them as they are.
func (s *Snapshot) Signature(t *Table) (sql, want string) {
	var sum signature
	found := map[uint32]bool{}
	for n := range s.fired(t) {
		if !found[n.oid] {
			found[n.oid] = true
			sum.add(s.Tables[n.oid].signature)
		}
	}
	oids := make([]string, 0, len(found))
	for _, o := range slices.Sorted(maps.Keys(found)) {
		oids = append(oids, strconv.FormatUint(uint64(o), 10))
	}
	any := "ANY (ARRAY[" + strings.Join(oids, ",") + "]::pg_catalog.oid[])"
	return operators.Replace("(SELECT pg_catalog.concat_ws(' ', t.n, t.last, t.enabled, t.functions, i.n, i.last, r.n, r.last)" +
		" FROM (" + fmt.Sprintf(triggerSums, any) + ") AS t, (" + fmt.Sprintf(childSums, any) + ") AS i, (" + fmt.Sprintf(ruleSums, any) + ") AS r)"), sum.String()
}
