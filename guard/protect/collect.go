package protect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// InDatabase is what entries that Collect brings in have for their proxy.
const InDatabase = "in-database"

// CollectOptions of Collect.
type CollectOptions struct {
	// Journal names the journal, the same way each time: what it has is marked
	// in the database under this name, and other journals get it all the same.
	Journal string
	// Again looks also at what is marked already.
	Again bool
	// Forget removes from the database what this journal has and is older; 0: nothing.
	// Only the schema's owner may.
	Forget time.Duration
	// Spill is where many keys are kept meanwhile ("": os.TempDir()).
	Spill string
}

// Collected is what Collect brought in.
type Collected struct {
	Entries int   `json:"entries"` // new ones
	Rows    int64 `json:"rows"`    // in them
}

// ErrUnmarked: everything was brought in, but could not be marked as such: the
// role lacks UPDATE (collected) on rowback.evidence, or the server is a standby.
// It will be looked at again, for nothing.
var ErrUnmarked = errors.New("the evidence in the database could not be marked as collected")

// Collect brings into the journal the committed deletions that the triggers have
// recorded, each transaction as one entry. An entry's ID follows from its
// transaction, so that nothing is there twice, whoever collects and however
// often. Without the guard in the database it does nothing.
//
// q is a session with client_encoding UTF8, outside a transaction; it stays the
// caller's, with another search_path.
func Collect(ctx context.Context, q catalog.Querier, j journal.Journal, o CollectOptions) (Collected, error) {
	c := collector{q: q, journal: j, o: o}
	installed, err := c.begin(ctx)
	if err != nil || !installed {
		return Collected{}, err
	}
	for {
		more, err := c.batch(ctx)
		if err == nil && !more && o.Forget > 0 && c.unmarked == nil {
			err = c.forget(ctx)
		}
		if err != nil || !more {
			return c.done, errors.Join(err, c.unmarked)
		}
	}
}

type collector struct {
	q            catalog.Querier
	journal      journal.Journal
	o            CollectOptions
	database     string
	installation string
	through      map[string]*journal.Entry // of proxies, by xid; see proxied
	after        string                    // xid and start of the last transaction looked at
	done         Collected
	unmarked     error
}

func (c *collector) begin(ctx context.Context) (installed bool, err error) {
	rows, err := c.q.Query(ctx, "SELECT pg_catalog.to_regclass('rowback.version') IS NOT NULL, pg_catalog.current_database(), pg_catalog.set_config('search_path', 'pg_catalog', false)")
	if err != nil || len(rows) != 1 || text(rows[0][0]) != "t" {
		return false, err
	}
	c.database = text(rows[0][1])
	rows, err = c.q.Query(ctx, "SELECT version, installation FROM rowback.version")
	if err != nil || len(rows) != 1 {
		return false, err
	}
	if version, _ := strconv.Atoi(text(rows[0][0])); version > Version {
		return false, fmt.Errorf("%w: version %s, this one knows %d", ErrNewer, text(rows[0][0]), Version)
	}
	c.installation = text(rows[0][1])
	return true, nil
}

// maxTransactions bounds a batch.
const maxTransactions = 200

// batch brings in some transactions; more: there may be further ones.
func (c *collector) batch(ctx context.Context) (more bool, err error) {
	where := "true"
	if !c.o.Again {
		where = "NOT e.collected @> ARRAY[" + literal(c.o.Journal) + "]"
	}
	if c.after != "" {
		where += " AND (e.started, e.xid) > " + c.after
	}
	rows, err := c.q.Query(ctx, "SELECT DISTINCT e.xid, (pg_catalog.date_part('epoch', e.started) * 1000000)::int8, e.started FROM rowback.evidence e WHERE "+
		where+" ORDER BY e.started, e.xid LIMIT "+strconv.Itoa(maxTransactions))
	if err != nil {
		return false, err
	}
	for _, r := range rows {
		t := transaction{xid: text(r[0]), started: text(r[1])}
		xid, started := "'"+t.xid+"'::xid8", "'epoch'::timestamptz + "+t.started+" * interval '1 microsecond'"
		t.where = "e.xid = " + xid + " AND e.started = " + started
		c.after = "(" + started + ", " + xid + ")"
		if err := c.transaction(ctx, t); err != nil {
			return false, fmt.Errorf("transaction %s: %w", t.xid, err)
		}
	}
	return len(rows) == maxTransactions, nil
}

// transaction is one transaction's records. After a dump was restored elsewhere
// transactions may have the same xid: the start tells them apart.
type transaction struct{ xid, started, where string }

func (c *collector) transaction(ctx context.Context, t transaction) (err error) {
	rows, err := c.q.Query(ctx, "SELECT e.id, (pg_catalog.date_part('epoch', e.at) * 1000000)::int8, e.run, e.relid, e.schema_name, e.table_name, e.op, e.via, e.removed,"+
		" e.key_columns, e.why, e.alerted, e.query, e.username, e.application, e.client FROM rowback.evidence e WHERE "+t.where+" ORDER BY e.id")
	if err != nil || len(rows) == 0 {
		return err
	}
	records := make([]record, len(rows))
	for i, r := range rows {
		if records[i], err = readRecord(r); err != nil {
			return err
		}
	}
	if err := c.countLinks(ctx, records); err != nil {
		return err
	}
	e, tables := entryOf(records)
	if !slices.ContainsFunc(records, func(r record) bool { return !r.link() }) { // a client has set rowback.open: nothing was removed that could have cut a link
		c.mark(ctx, t)
		return nil
	}
	e.Database, e.XID, e.Proxy = c.database, t.xid, InDatabase
	e.ID = journal.DerivedID(e.Time, c.installation+" "+t.xid+" "+t.started)
	if own, err := c.proxied(ctx, e, t); own || err != nil {
		if err == nil {
			c.mark(ctx, t)
		}
		return err
	}
	keys := journal.NewKeys(c.o.Spill)
	defer func() { err = errors.Join(err, keys.Close()) }()
	for i, r := range records {
		if r.columns != nil {
			if err := c.keys(ctx, keys, r, tables[i]); err != nil {
				return err
			}
		}
	}
	switch err := c.journal.Append(ctx, e, keys); {
	case err == nil:
		c.done.Entries++
		c.done.Rows += e.Rows
	case !errors.Is(err, journal.ErrExists):
		return err
	}
	c.mark(ctx, t)
	return nil
}

// keys adds the keys of one record, some thousands at a time.
func (c *collector) keys(ctx context.Context, to *journal.Keys, r record, table int) error {
	chunks, width := 20, len(r.columns)+len(r.old)
	if r.link() {
		chunks = 2000 // of one key each
	}
	var n int64
	for after := "0"; ; {
		rows, err := c.q.Query(ctx, fmt.Sprintf("SELECT pg_catalog.array_to_json(k.keys), k.id FROM rowback.evidence_key k WHERE k.evidence = %d AND k.id > %s ORDER BY k.id LIMIT %d", r.id, after, chunks))
		if err != nil {
			return err
		}
		for _, row := range rows {
			var part [][]*string
			if err := json.Unmarshal([]byte(text(row[0])), &part); err != nil {
				return fmt.Errorf("keys of record %d: %w", r.id, err)
			}
			for _, values := range part {
				if len(values) != width {
					return fmt.Errorf("record %d has a key of %d values for %d columns", r.id, len(values), width)
				}
				if err := to.Add(journal.Row{Table: table, Values: values}); err != nil {
					return err
				}
				n++
			}
			after = text(row[1])
		}
		if len(rows) < chunks {
			break
		}
	}
	if n != r.rows {
		return fmt.Errorf("record %d is of %d rows and has %d keys", r.id, r.rows, n)
	}
	return nil
}

// proxied reports whether a proxy has the whole transaction in this journal: it
// could not read the secret then, so that the triggers counted beside it.
func (c *collector) proxied(ctx context.Context, e *journal.Entry, t transaction) (bool, error) {
	if c.through == nil { // transactions come in the order of their start
		started, err := micros(t.started)
		if err != nil {
			return false, err
		}
		c.through = map[string]*journal.Entry{}
		for o, err := range c.journal.Entries(ctx, journal.Filter{Database: c.database, Kind: journal.Deletion, Outcome: journal.Committed, Since: started.Add(-time.Hour)}) { // clocks differ
			if err != nil {
				return false, err
			}
			if o.Proxy != InDatabase && o.XID != "" {
				c.through[o.XID] = o
			}
		}
	}
	o := c.through[e.XID]
	return o != nil && o.Server.Started.Equal(e.Server.Started) && o.Rows >= e.Rows && !slices.ContainsFunc(o.Tables, func(x journal.Table) bool { return !x.KeysCaptured }), nil
}

// countLinks sets the rows of records of links, which only their keys tell.
func (c *collector) countLinks(ctx context.Context, records []record) error {
	for i := range records {
		r := &records[i]
		if !r.link() {
			continue
		}
		rows, err := c.q.Query(ctx, fmt.Sprintf("SELECT count(*) FROM rowback.evidence_key k WHERE k.evidence = %d", r.id))
		if err != nil {
			return err
		}
		if r.rows, err = strconv.ParseInt(text(rows[0][0]), 10, 64); err != nil {
			return err
		}
	}
	return nil
}

// mark notes in the database that this journal has the transaction.
func (c *collector) mark(ctx context.Context, t transaction) {
	if c.unmarked != nil || c.o.Journal == "" {
		return
	}
	name := literal(c.o.Journal)
	_, err := c.q.Query(ctx, "UPDATE rowback.evidence e SET collected = e.collected || ARRAY["+name+"] WHERE "+t.where+" AND NOT e.collected @> ARRAY["+name+"]")
	if err != nil {
		c.unmarked = fmt.Errorf("%w: %w", ErrUnmarked, err)
	}
}

// forget removes old records with their keys.
func (c *collector) forget(ctx context.Context) error {
	old := fmt.Sprintf("e.collected @> ARRAY[%s] AND e.at < now() - %d * interval '1 second'", literal(c.o.Journal), int64(c.o.Forget.Seconds()))
	_, err := c.q.Query(ctx, "WITH d AS (DELETE FROM rowback.evidence e WHERE "+old+" RETURNING e.id) DELETE FROM rowback.evidence_key k USING d WHERE k.evidence = d.id")
	return err
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func micros(s string) (time.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	return time.UnixMicro(n).UTC(), err
}

// tag is what the server says of a statement that has removed rows.
func tag(op string, rows int64) string {
	switch {
	case op == "DELETE":
		return fmt.Sprintf("DELETE %d", rows)
	case op == "TRUNCATE":
		return "TRUNCATE TABLE"
	}
	return strings.ToUpper(op)
}
