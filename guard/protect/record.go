package protect

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// record is one row of rowback.evidence.
type record struct {
	id                        int64
	at                        time.Time
	run                       string
	oid                       uint32
	schema, name              string
	op                        string
	via                       journal.Via
	rows                      int64
	columns                   []journal.Column // nil: no keys
	old                       []journal.Column // of a link
	why                       string
	alerted                   int64
	query                     *string
	user, application, client string
}

func readRecord(r []*string) (c record, err error) {
	if len(r) != 16 {
		return c, fmt.Errorf("a record has %d columns", len(r))
	}
	if c.id, err = strconv.ParseInt(text(r[0]), 10, 64); err != nil {
		return c, err
	}
	if c.at, err = micros(text(r[1])); err != nil {
		return c, err
	}
	oid, err := strconv.ParseUint(text(r[3]), 10, 32)
	if err != nil {
		return c, err
	}
	if c.rows, err = strconv.ParseInt(text(r[8]), 10, 64); err != nil {
		return c, err
	}
	if r[9] != nil {
		var columns []recordedColumn
		if err := json.Unmarshal([]byte(*r[9]), &columns); err != nil {
			return c, err
		}
		for _, x := range columns {
			if x.Old {
				c.old = append(c.old, x.Column)
			} else {
				c.columns = append(c.columns, x.Column)
			}
		}
	}
	c.alerted, _ = strconv.ParseInt(text(r[11]), 10, 64)
	c.run, c.oid, c.schema, c.name, c.op, c.via = text(r[2]), uint32(oid), text(r[4]), text(r[5]), text(r[6]), journal.Via(text(r[7]))
	c.why, c.query, c.user, c.application, c.client = text(r[10]), r[12], text(r[13]), text(r[14]), text(r[15])
	return c, nil
}

// link reports whether the record is of rows that stayed and lost a link.
func (r record) link() bool { return r.via == journal.SetNull || r.via == journal.SetDef }

// entryOf is the entry of a transaction's records, and for each record the
// index of its table. ID, database and xid are still to be set.
func entryOf(records []record) (*journal.Entry, []int) {
	first, last := records[0], records[len(records)-1]
	e := &journal.Entry{
		Time: last.at, Kind: journal.Deletion, Outcome: journal.Committed,
		User: first.user, Application: first.application, Client: first.client,
		Server: journal.Server{Started: catalog.RunStart(first.run)},
	}
	tables := make([]int, len(records))
	var direct int64 // rows of the statement so far
	for i, r := range records {
		t := journal.Table{Schema: r.schema, Name: r.name, OID: r.oid, Via: r.via, KeysCaptured: r.columns != nil, Why: r.why, Key: r.columns, Old: r.old}
		tables[i] = slices.IndexFunc(e.Tables, func(o journal.Table) bool {
			return o.OID == t.OID && o.Name == t.Name && o.Schema == t.Schema && o.Via == t.Via && o.Why == t.Why && slices.Equal(o.Key, t.Key) && slices.Equal(o.Old, t.Old)
		})
		if tables[i] < 0 {
			tables[i] = len(e.Tables)
			e.Tables = append(e.Tables, t)
		}
		e.Tables[tables[i]].Rows += r.rows
		if !r.link() {
			e.Rows += r.rows
		}
		if r.via == journal.Drop && e.Alert == "" {
			e.Alert = fmt.Sprintf("%s removed about %d rows (%s %d)", r.op, r.rows, journal.QuoteName(r.schema, r.name), r.rows)
		}
		if r.query != nil || len(e.Statements) == 0 {
			direct = 0
			sql := strings.TrimSpace(text(r.query))
			if n := len(e.Statements) - 1; n >= 0 && e.Statements[n].SQL == sql && r.op == "DELETE" {
				direct, _ = strconv.ParseInt(strings.TrimPrefix(e.Statements[n].Tag, "DELETE "), 10, 64)
			} else {
				e.Statements = append(e.Statements, journal.Statement{SQL: sql})
			}
		}
		if r.via == journal.Direct || r.op != "DELETE" {
			direct += r.rows
		}
		e.Statements[len(e.Statements)-1].Tag = tag(r.op, direct)
	}
	if last.alerted > 0 {
		e.Alert = fmt.Sprintf("%s removed %s, limit %d", firstWord(last.op), rowsOf(e.Tables), last.alerted)
	}
	return e, tables
}

func firstWord(op string) string {
	w, _, _ := strings.Cut(op, " ")
	return w
}

// rowsOf is "50382 rows (orders 1237, payments 8642)", as the triggers say it.
func rowsOf(tables []journal.Table) string {
	var sum int64
	var names []string
	rows := map[string]int64{}
	for _, t := range tables {
		if !t.Removed() {
			continue
		}
		name := t.Name
		if t.Schema != "public" {
			name = t.Schema + "." + t.Name
		}
		if _, seen := rows[name]; !seen {
			names = append(names, name)
		}
		rows[name] += t.Rows
		sum += t.Rows
	}
	const most = 12
	var parts []string
	for i, name := range names {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more tables", len(names)-most))
			break
		}
		parts = append(parts, fmt.Sprintf("%s %d", name, rows[name]))
	}
	return fmt.Sprintf("%d rows (%s)", sum, strings.Join(parts, ", "))
}
