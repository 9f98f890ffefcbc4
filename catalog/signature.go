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
	triggers, lastTrigger, triggersSet int64
	functions                          int64 // of the triggers, but the server's own
	children, lastChild, childrenSet   int64
	rules, lastRule, rulesSet          int64
	// How many of the tables pg_class says may have any. It goes up with the
	// first, and down some time after the last.
	triggered, parents, ruled int64
}

// The last object of a kind tells a new one from one dropped: their numbers grow.
// One that was replaced, enabled or disabled keeps its number: the transactions that
// set them tell.
func (s *signature) add(o signature) {
	s.triggers += o.triggers
	s.triggersSet += o.triggersSet
	s.childrenSet += o.childrenSet
	s.rulesSet += o.rulesSet
	s.functions += o.functions
	s.children += o.children
	s.rules += o.rules
	s.lastTrigger = max(s.lastTrigger, o.lastTrigger)
	s.lastChild = max(s.lastChild, o.lastChild)
	s.lastRule = max(s.lastRule, o.lastRule)
	s.triggered += o.triggered
	s.parents += o.parents
	s.ruled += o.ruled
}

// Sums with the columns of signature; %s is a condition on the table.
const (
	triggerSums = "SELECT pg_catalog.count(*) AS n, COALESCE(pg_catalog.max(t.oid::pg_catalog.int8), 0) AS last," +
		" COALESCE(pg_catalog.sum(t.xmin::pg_catalog.text::pg_catalog.int8), 0) AS written" +
		" FROM pg_catalog.pg_trigger t WHERE t.tgrelid = %s"
	functionSums = "SELECT COALESCE(pg_catalog.sum(p.xmin::pg_catalog.text::pg_catalog.int8), 0) AS functions" +
		" FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid WHERE p.oid >= 16384 AND t.tgrelid = %s"
	childSums = "SELECT pg_catalog.count(*) AS n, COALESCE(pg_catalog.max(i.inhrelid::pg_catalog.int8), 0) AS last," +
		" COALESCE(pg_catalog.sum(i.xmin::pg_catalog.text::pg_catalog.int8), 0) AS written" +
		" FROM pg_catalog.pg_inherits i WHERE i.inhparent = %s"
	ruleSums = "SELECT pg_catalog.count(*) AS n, COALESCE(pg_catalog.max(r.oid::pg_catalog.int8), 0) AS last," +
		" COALESCE(pg_catalog.sum(r.xmin::pg_catalog.text::pg_catalog.int8), 0) AS written" +
		" FROM pg_catalog.pg_rewrite r WHERE r.ev_class = %s"
)

var signaturesSQL = `
SELECT 'signature', pg_catalog.json_build_array(c.oid::pg_catalog.int8, t.n, t.last, t.written, f.functions, i.n, i.last, i.written, r.n, r.last, r.written,
	c.relhastriggers::pg_catalog.int4, c.relhassubclass::pg_catalog.int4, c.relhasrules::pg_catalog.int4)::pg_catalog.text
FROM pg_catalog.pg_class c,
LATERAL (` + fmt.Sprintf(triggerSums, "c.oid") + `) AS t,
LATERAL (` + fmt.Sprintf(functionSums, "c.oid") + `) AS f,
LATERAL (` + fmt.Sprintf(childSums, "c.oid") + `) AS i,
LATERAL (` + fmt.Sprintf(ruleSums, "c.oid") + `) AS r
WHERE c.oid >= 16384 AND (c.relhastriggers OR c.relhassubclass OR c.relhasrules)`

// signature is kept until all tables are there: they come in the same query, which
// a server may run in parallel parts.
func (l *loader) signature(d document) {
	n := func(i int) int64 { return int64(d.number(i)) }
	l.signatures[d.oid(0)] = signature{
		triggers: n(1), lastTrigger: n(2), triggersSet: n(3), functions: n(4),
		children: n(5), lastChild: n(6), childrenSet: n(7), rules: n(8), lastRule: n(9), rulesSet: n(10),
		triggered: n(11), parents: n(12), ruled: n(13),
	}
}

func (l *loader) attachSignatures() {
	for oid, s := range l.signatures {
		if t := l.snapshot.Tables[oid]; t != nil {
			t.signature = s
		}
	}
}

// Signature returns an SQL expression, and the text that it has as long as a
// DELETE on t sets off what this snapshot says: the same triggers, rules,
// foreign keys and partitions, on t and all that it cascades to. Read after the
// DELETE and in its transaction, whose locks keep them as they are. It asks no
// more than it has to: planning it is most of what judging a small DELETE costs.
//
// bare: nothing hangs on t, so that t's row of pg_class alone tells: see BareSQL.
func (s *Snapshot) Signature(t *Table) (sql, want string, bare bool) {
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
	these := "ANY (ARRAY[" + strings.Join(oids, ",") + "]::pg_catalog.oid[])"
	if len(oids) == 1 {
		these = oids[0] + "::pg_catalog.oid"
	}
	var parts, values, none []string
	ask := func(sums, columns string, is ...int64) {
		parts = append(parts, "(SELECT pg_catalog.concat_ws(' ', "+columns+") FROM ("+fmt.Sprintf(sums, these)+") AS x)")
		values = append(values, strings.Trim(fmt.Sprint(is), "[]"))
	}
	if sum.triggered > 0 {
		ask(triggerSums, "x.n, x.last, x.written", sum.triggers, sum.lastTrigger, sum.triggersSet)
	} else {
		none = append(none, "c.relhastriggers")
	}
	if sum.functions > 0 {
		ask(functionSums, "x.functions", sum.functions)
	}
	if sum.parents > 0 {
		ask(childSums, "x.n, x.last, x.written", sum.children, sum.lastChild, sum.childrenSet)
	} else {
		none = append(none, "c.relhassubclass")
	}
	if sum.ruled > 0 {
		ask(ruleSums, "x.n, x.last, x.written", sum.rules, sum.lastRule, sum.rulesSet)
	} else {
		none = append(none, "c.relhasrules")
	}
	if len(none) > 0 {
		parts = append(parts, "(SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c WHERE c.oid = "+these+" AND ("+strings.Join(none, " OR ")+"))")
		values = append(values, "0")
	}
	return operators.Replace("pg_catalog.concat_ws(' ', " + strings.Join(parts, ", ") + ")"), strings.Join(values, " "), len(found) == 1 && sum == signature{}
}

// BareSQL is whether anything hangs on c, a row of pg_class.
const BareSQL = "c.relhastriggers OR c.relhassubclass OR c.relhasrules"
