package guard

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/sqlparse"
)

// A captured form reads the referencing tables as they were when it began, the
// server's cascade as they are when it comes to them: a row that another session adds
// or removes in between is in one of them only, and the counts differ. Such a table is
// looked at again, from outside: until the transaction ends others still see the rows
// that it has removed, and it does not itself. What differs holds each removed row (but one
// that it had itself inserted, or locked in another subtransaction); where it is as many as the server counted,
// it is exactly these.

const (
	mostRecounted = 100_000   // keys of one statement
	mostScanned   = 3_000_000 // rows of the table: the client waits, with its locks
	recountTime   = 5 * time.Second
	recounts      = 3           // others go on meanwhile
	recountEvery  = time.Second // in a database
)

// recount puts the keys of a cascade's table right, of which the server counted n
// rows; false: that cannot be done, and the keys stay as they are.
func (r *run) recount(ctx context.Context, o uint32, n int64) (bool, error) {
	t := r.s.view.snap.Tables[o]
	// Its rows are all under the first step that reaches it.
	at := slices.IndexFunc(r.steps(), func(st step) bool { return st.table == t && (st.via == journal.Direct || st.via == journal.Cascade) })
	if t == nil || at < 0 || r.plan.steps[at].via == journal.Direct || r.batched || r.s.j.o.Control == nil || !r.tracked() || r.after.xid == "" || len(t.Leaves()) != 1 || len(r.plan.steps[at].key) == 0 ||
		t.EstimatedRows > mostScanned || n > mostRecounted || r.s.tx.keys.Len()-r.mark.keys.Len() > mostRecounted ||
		r.imaged() || !r.mayRecount() {
		return false, nil
	}
	limited, cancel := context.WithTimeout(ctx, recountTime)
	defer cancel()
	outside, closeConn, err := r.s.j.o.Control(limited, r.s.db.name)
	if err != nil {
		return false, nil
	}
	defer closeConn()
	// What the transaction has locked it may have locked against us; a standby sees it late.
	rows, err := outside.Query(limited, "SELECT (pg_catalog.pg_xact_status("+literal(r.after.xid)+"::pg_catalog.xid8) OPERATOR(pg_catalog.=) 'in progress' AND NOT pg_catalog.pg_is_in_recovery())::pg_catalog.text,"+
		" pg_catalog.set_config('lock_timeout', '1s', false), pg_catalog.set_config('client_encoding', 'UTF8', false)")
	if err != nil || len(rows) != 1 || text(rows[0][0]) != "true" {
		return false, nil
	}
	for range recounts {
		seen, err := r.keysWhere(limited, outside, t, r.asYoung("x.xmax"), false)
		if err != nil || seen == nil {
			return false, nil
		}
		removed, err := r.unseenInside(ctx, t, seen)
		if err != nil || removed == nil {
			return false, err
		}
		if int64(len(removed)) == n {
			return true, r.replace(at, t, removed)
		}
	}
	return false, nil
}

// mayRecount: a schema whose triggers make the counts differ each time does not pay for
// it each time. One statement may do it for all of its tables. A time ahead was set by a
// clock that has been put back since.
func (r *run) mayRecount() bool {
	if !r.recounting {
		last, now := r.s.db.recounted.Load(), r.s.j.o.Now().UnixNano()
		r.recounting = (now < last || now-last >= int64(recountEvery)) && r.s.db.recounted.CompareAndSwap(last, now)
	}
	return r.recounting
}

// unseenInside are those of the keys that others see which the transaction does not, and
// that were there before this statement; nil: it cannot be told.
func (r *run) unseenInside(ctx context.Context, t *catalog.Table, seen map[string][]*string) (map[string][]*string, error) {
	// What it has changed itself is there in another version.
	mine, err := r.keysWhere(ctx, lookup{w: r.w}, t, r.asYoung("x.xmax")+" OR "+r.asYoung("x.xmin"), r.plan.encoding != "UTF8")
	if err != nil {
		return nil, r.fault(err)
	}
	if mine == nil {
		return nil, nil
	}
	for k := range mine {
		delete(seen, k)
	}
	for row, err := range r.s.tx.keys.Until(r.mark.keys) {
		if err != nil {
			return nil, err
		}
		if r.s.tx.removals.tables[row.Table].OID == t.OID {
			delete(seen, keyText(row.Values))
		}
	}
	return seen, nil
}

// asYoung is a condition: a transaction as young as this one has removed or locked the
// row (xmax), or written it (xmin).
func (r *run) asYoung(column string) string {
	return "(" + column + "::pg_catalog.text OPERATOR(pg_catalog.<>) '0' AND pg_catalog.age(" + column +
		") OPERATOR(pg_catalog.<=) pg_catalog.age(" + literal(r.after.xid) + "::pg_catalog.xid8::pg_catalog.xid))"
}

// keysWhere are the keys of a table's rows, by their text; nil: too many.
func (r *run) keysWhere(ctx context.Context, q catalog.Querier, t *catalog.Table, where string, inHex bool) (map[string][]*string, error) {
	var exprs []string
	for _, c := range typed(t, t.Key) {
		x, err := sqlparse.KeyExpr("x", c, inHex)
		if err != nil {
			return nil, nil // then none were captured either
		}
		exprs = append(exprs, x)
	}
	rows, err := q.Query(ctx, "SELECT "+strings.Join(exprs, ", ")+" FROM ONLY "+t.QuotedName()+" x WHERE "+where+" LIMIT "+strconv.Itoa(2*mostRecounted))
	if err != nil || len(rows) == 2*mostRecounted {
		return nil, err
	}
	keys := map[string][]*string{}
	for _, row := range rows {
		if inHex {
			cols := make([][]byte, len(row))
			for i, v := range row {
				if v != nil {
					cols[i] = []byte(*v)
				}
			}
			if row, err = r.values(cols); err != nil {
				return nil, err
			}
		}
		keys[keyText(row)] = row
	}
	return keys, nil
}

// replace puts keys in the place of those that this statement captured in a step's table.
func (r *run) replace(n int, t *catalog.Table, keys map[string][]*string) error {
	tx, at := r.s.tx, r.table(n, t.OID)
	var others []journal.Row
	for row, err := range tx.keys.Since(r.mark.keys) {
		if err != nil {
			return err
		}
		if row.Table != at {
			others = append(others, row)
		}
	}
	if err := tx.keys.Rewind(r.mark.keys); err != nil {
		return err
	}
	for _, row := range others {
		if err := tx.keys.Add(row); err != nil {
			return err
		}
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if err := tx.keys.Add(journal.Row{Table: at, Values: keys[k]}); err != nil {
			return err
		}
	}
	tx.removals.tables[at].Rows += int64(len(keys)) - r.captured[t.OID]
	r.captured[t.OID] = int64(len(keys))
	return nil
}

// keyText tells keys of one table apart.
func keyText(values []*string) string {
	var b strings.Builder
	for _, v := range values {
		if v != nil {
			b.WriteString(strconv.Itoa(len(*v)))
			b.WriteByte(' ')
			b.WriteString(*v)
		}
		b.WriteByte('/')
	}
	return b.String()
}
