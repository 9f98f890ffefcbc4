package journal

import (
	"context"
	"database/sql"
	"iter"
	"strings"
)

// page is how many entries one query of a listing reads. No query stays open
// while the caller looks at an entry: the log could not be trimmed meanwhile.
const page = 256

// found is an entry as its row says.
type found struct {
	no    int64
	time  int64
	keys  int64 // rows captured
	entry *Entry
}

const entryColumns = "no, id, time, outcome, keys, body"

func scAnEntry(rows *sql.Rows) (found, error) {
	var f found
	var id string
	var outcome Outcome
	var body []byte
	if err := rows.Scan(&f.no, &id, &f.time, &outcome, &f.keys, &body); err != nil {
		return f, err
	}
	var err error
	f.entry, err = DecodeEntry(id, body, outcome)
	return f, err
}

func (j *embedded) query(ctx context.Context, text string, args ...any) ([]found, error) {
	s := j.store.Load()
	rows, err := s.read.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, j.failed(s, err)
	}
	defer rows.Close()
	var out []found
	for rows.Next() {
		f, err := scAnEntry(rows)
		if err != nil {
			return nil, j.failed(s, err)
		}
		out = append(out, f)
	}
	if err := rows.Err(); err != nil {
		return nil, j.failed(s, err)
	}
	return out, nil
}

// find looks an entry up by its whole ID or a unique prefix.
func (j *embedded) find(ctx context.Context, id string) (found, error) {
	return lookup(AnEntry, id, func(f found) string { return f.entry.ID }, func(where string, args ...any) ([]found, error) {
		return j.query(ctx, "SELECT "+entryColumns+" FROM entry WHERE "+where+" ORDER BY id LIMIT 2", args...)
	})
}

func (j *embedded) Entries(ctx context.Context, f Filter) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		where, args := f.where()
		next, more := where, args
		for {
			got, err := j.query(ctx, "SELECT "+entryColumns+" FROM entry WHERE "+next+
				" ORDER BY time DESC, id DESC LIMIT ?", append(more, page)...)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, g := range got {
				if !yield(g.entry, nil) {
					return
				}
			}
			if len(got) < page {
				return
			}
			last := got[len(got)-1]
			next = where + " AND (time, id) < (?, ?)"
			more = append(append([]any{}, args...), last.time, last.entry.ID)
		}
	}
}

// where is the filter as an SQL condition.
func (f Filter) where() (string, []any) {
	conditions := []string{"1"}
	var args []any
	add := func(condition string, values ...any) {
		conditions = append(conditions, condition)
		args = append(args, values...)
	}
	if f.ID != "" {
		typed, canonical := f.ID, canonicalID(f.ID)
		add("(id BETWEEN ? AND ? OR id BETWEEN ? AND ?)", typed, typed+"\U0010FFFF", canonical, canonical+"\U0010FFFF")
	}
	if !f.Since.IsZero() {
		add("time >= ?", f.Since.UnixNano())
	}
	if !f.Until.IsZero() {
		add("time <= ?", f.Until.UnixNano())
	}
	for _, c := range []struct{ column, value string }{
		{"user", f.User}, {"database", f.Database}, {"application", f.Application}, {"proxy", f.Proxy},
		{"kind", string(f.Kind)}, {"outcome", string(f.Outcome)},
	} {
		switch {
		case c.value == string(InDoubt) && c.column == "outcome":
			add("outcome = 'in_doubt'") // literally: only so its partial index serves
		case c.value != "":
			add(c.column+" = ?", c.value)
		}
	}
	if f.MinRows > 0 {
		add("rows >= ?", f.MinRows)
	}
	if f.Table != "" {
		touched := "name = ?"
		args = append(args, f.Table)
		// Names may hold dots themselves: every one may be the separator.
		for i := range len(f.Table) {
			if f.Table[i] == '.' {
				touched += " OR (schema = ? AND name = ?)"
				args = append(args, f.Table[:i], f.Table[i+1:])
			}
		}
		// Asked of each entry, by its index: with IN every page would read, and sort, all
		// entries that ever touched the table.
		add("EXISTS (SELECT 1 FROM touched WHERE touched.entry = entry.no AND (" + touched + "))")
	}
	return strings.Join(conditions, " AND "), args
}
