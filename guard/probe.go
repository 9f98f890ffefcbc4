package guard

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// probeKeys is how many captured keys are looked up to settle an entry.
const probeKeys = 200

// probeSettings are for probing in a client's session: it must neither wait for
// the rows nor take rows that it may not see for gone.
const probeSettings = "SELECT pg_catalog.set_config('lock_timeout', '200ms', true), pg_catalog.set_config('row_security', 'off', true)"

// probed is what became of an entry's first captured keys.
type probed struct {
	asked     int
	again     int // not asked: others have removed them since
	absent    int
	untouched int // the row is older than the transaction: that has not removed it
	own       int // the row is the transaction's own
}

// probe looks for the rows of an entry, whose transaction was xid (its low bits), but
// for those that others have removed since (see identity).
func (j settler) probe(ctx context.Context, e *journal.Entry, xid uint32, removed map[string]bool) (p probed, err error) {
	byTable := map[int][]journal.Row{}
	for row, err := range j.journal.Rows(ctx, e.ID) {
		if err != nil {
			return p, err
		}
		t := e.Tables[row.Table]
		if isCut(t) {
			continue
		}
		if e.Kind == journal.Deletion && removed[identity(t, row)] {
			if p.again++; p.asked+p.again == probeKeys {
				break
			}
			continue
		}
		byTable[row.Table] = append(byTable[row.Table], row)
		if p.asked++; p.asked+p.again == probeKeys {
			break
		}
	}
	for i, rows := range byTable {
		t := e.Tables[i]
		present, untouched, own, err := probeTable(ctx, j.q, t, rows, xid)
		if err != nil {
			return p, fmt.Errorf("%s.%s: %w", t.Schema, t.Name, err)
		}
		p.absent += len(rows) - present
		p.untouched += untouched
		p.own += own
	}
	return p, nil
}

func probeTable(ctx context.Context, q catalog.Querier, t journal.Table, keys []journal.Row, xid uint32) (present, untouched, own int, err error) {
	name := quote(t.Schema) + "." + quote(t.Name)
	exists, err := one(ctx, q, "SELECT pg_catalog.to_regclass("+literal(name)+") IS NOT NULL")
	if err != nil || exists != "t" { // dropped since, or by it
		return 0, 0, 0, err
	}
	unusual, err := q.Query(ctx, strings.ReplaceAll(catalog.EqualitySQL, "$tables", "ARRAY["+literal(name)+"::pg_catalog.regclass::pg_catalog.oid]"))
	if err != nil {
		return 0, 0, 0, err
	}
	equal := map[string]catalog.Comparison{}
	for _, u := range unusual {
		equal[text(u[1])] = catalog.Comparison{Operator: text(u[2]), Enum: text(u[3])}
	}
	conds := make([]string, len(keys))
	for i, key := range keys {
		cond := make([]string, len(t.Key))
		for i, c := range t.Key {
			cond[i] = equal[c.Name].SQL(quote(c.Name), literal(text(key.Values[i]))+"::"+c.Type)
		}
		conds[i] = "(" + strings.Join(cond, " AND ") + ")"
	}
	rows, err := q.Query(ctx, fmt.Sprintf("SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE pg_catalog.age(xmin) OPERATOR(pg_catalog.>) pg_catalog.age('%[1]d'::pg_catalog.xid)), pg_catalog.count(*) FILTER (WHERE xmin OPERATOR(pg_catalog.=) '%[1]d'::pg_catalog.xid) FROM %[2]s WHERE %[3]s",
		xid, name, strings.Join(conds, " OR ")))
	if err != nil {
		return 0, 0, 0, err
	}
	if len(rows) != 1 || len(rows[0]) != 3 {
		return 0, 0, 0, fmt.Errorf("%w: probe", errMalformed)
	}
	for i, n := range []*int{&present, &untouched, &own} {
		if *n, err = strconv.Atoi(text(rows[0][i])); err != nil {
			return 0, 0, 0, err
		}
	}
	return present, untouched, own, nil
}
