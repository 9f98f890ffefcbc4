package guard

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// probeKeys is how many captured keys are looked up to settle an entry.
const probeKeys = 200

// settle asks the server how the transactions of entries in doubt ended. An xid
// that was not yet in flushed WAL when the server crashed is issued again, so
// its status is believed only together with the rows: if they are still there
// the deletion did not commit. What cannot be told stays in doubt.
func (s *session) settle(ctx context.Context, q catalog.Querier) {
	for _, id := range s.db.inDoubt() {
		outcome, err := s.settleOne(ctx, q, id)
		switch {
		case err != nil:
			s.j.o.Logger.Warn("entry stays in doubt", "id", id, "error", err)
		case outcome != journal.InDoubt:
			if err := s.j.o.Journal.Settle(ctx, id, outcome); err != nil {
				s.j.o.Logger.Warn("entry stays in doubt", "id", id, "error", err)
				continue
			}
			s.db.settled(id)
			s.j.o.Logger.Info("entry settled", "id", id, "outcome", outcome)
		}
	}
}

func (s *session) settleOne(ctx context.Context, q catalog.Querier, id string) (journal.Outcome, error) {
	e, err := s.j.o.Journal.Entry(ctx, id)
	if err != nil {
		return "", err
	}
	if e.Outcome != journal.InDoubt {
		return e.Outcome, nil
	}
	xid, err := strconv.ParseUint(e.XID, 10, 64)
	if err != nil {
		return "", fmt.Errorf("xid %q: %w", e.XID, err)
	}
	status, err := one(ctx, q, fmt.Sprintf("SELECT pg_catalog.pg_xact_status('%d'::pg_catalog.xid8)", xid))
	if errors.Is(err, errServer) && strings.Contains(err.Error(), "22023") {
		return journal.RolledBack, nil // in the future: the server crashed before it was durable
	}
	if err != nil {
		return "", err
	}
	switch status {
	case "aborted":
		return journal.RolledBack, nil
	case "in progress":
		return journal.InDoubt, nil
	}
	// committed, or too old to tell
	present, asked, err := s.present(ctx, q, e)
	switch {
	case err != nil:
		return "", err
	case asked == 0 && status == "committed":
		return journal.Committed, nil
	case asked > 0 && present == 0:
		return journal.Committed, nil
	case asked > 0 && present == asked:
		return journal.RolledBack, nil
	}
	return "", fmt.Errorf("transaction %d is %q and %d of %d probed rows are there", xid, status, present, asked)
}

// present counts how many of the entry's first captured keys are in their table.
func (s *session) present(ctx context.Context, q catalog.Querier, e *journal.Entry) (present, asked int, err error) {
	byTable := map[int][]string{}
	for row, err := range s.j.o.Journal.Rows(ctx, e.ID) {
		if err != nil {
			return 0, 0, err
		}
		t := e.Tables[row.Table]
		if t.Via == journal.SetNull || t.Via == journal.SetDef {
			continue
		}
		var cond []string
		for i, c := range t.Key {
			cond = append(cond, quote(c.Name)+"="+literal(text(row.Values[i]))+"::"+c.Type)
		}
		byTable[row.Table] = append(byTable[row.Table], "("+strings.Join(cond, " AND ")+")")
		if asked++; asked == probeKeys {
			break
		}
	}
	for i, conds := range byTable {
		t := e.Tables[i]
		name := quote(t.Schema) + "." + quote(t.Name)
		exists, err := one(ctx, q, "SELECT pg_catalog.to_regclass("+literal(name)+") IS NOT NULL")
		if err != nil {
			return 0, 0, err
		}
		if exists != "t" { // dropped since, or by it
			continue
		}
		n, err := one(ctx, q, "SELECT pg_catalog.count(*) FROM "+name+" WHERE "+strings.Join(conds, " OR "))
		if err != nil {
			return 0, 0, err
		}
		k, err := strconv.Atoi(n)
		if err != nil {
			return 0, 0, err
		}
		present += k
	}
	return present, asked, nil
}

func one(ctx context.Context, q catalog.Querier, sql string) (string, error) {
	rows, err := q.Query(ctx, sql)
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return text(rows[0][0]), nil
}
