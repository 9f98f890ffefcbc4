package guard

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// removals is the part of a transaction that a savepoint can take back.
type removals struct {
	tables []journal.Table
	// earlier are the statements but the last. Savepoints, of which there may be many,
	// share them: what is there is not written to.
	earlier    []journal.Statement
	last       *journal.Statement // replaced, not written to; nil: none
	text       int                // bytes of their texts
	rows       int64
	over, rule string // why it alerted, and by which rule; "" while within the limits
	// pardoned is how many rows went through by somebody's leave.
	pardoned map[pardonKey]int64
	allowed  []journal.Allowed // whose
	judged   bool              // by some rule
	as       string            // what the session was called then, first
	// windowed is what counts in windows, by their keys, under the rules that each
	// statement was judged by; policy is what these are of.
	windowed map[string]windowed
	policy   *policy.Policy
}

// pardonKey is a rule, by its name, and a table.
type pardonKey struct{ rule, schema, table string }

// pardonedOf is how many rows of tables do not count for a rule any more.
func (r removals) pardonedOf(rule *policy.Rule, tables []journal.Table) int64 {
	if len(r.pardoned) == 0 {
		return 0
	}
	var n int64
	seen := map[pardonKey]bool{}
	for _, t := range tables {
		if k := (pardonKey{rule.Name, t.Schema, t.Name}); !seen[k] {
			seen[k] = true
			n += r.pardoned[k]
		}
	}
	return n
}

// with is what counts in windows once rows that count there have gone as well.
func (r *removals) with(rows []windowed) []windowed {
	for i := range rows {
		rows[i].rows += r.windowed[rows[i].key].rows
	}
	return rows
}

// count notes what counts in windows.
func (r *removals) count(rows []windowed) {
	for _, c := range rows {
		if r.windowed == nil {
			r.windowed = map[string]windowed{}
		}
		r.windowed[c.key] = c
	}
}

func (r removals) clone() removals {
	r.tables = append([]journal.Table(nil), r.tables...)
	r.earlier = slices.Clip(r.earlier)
	r.pardoned, r.allowed, r.windowed = maps.Clone(r.pardoned), slices.Clone(r.allowed), maps.Clone(r.windowed)
	return r
}

// table returns the index of a table's share, made on first use.
func (r *removals) table(want journal.Table) int {
	for i := range r.tables {
		t := &r.tables[i]
		// Rows with images of other columns (the table was altered between) are apart.
		if t.OID == want.OID && t.Via == want.Via && t.Schema == want.Schema && t.Name == want.Name && slices.Equal(t.Columns, want.Columns) &&
			slices.Equal(t.Key, want.Key) && slices.Equal(t.Old, want.Old) && slices.Equal(t.Set, want.Set) { // and those of another link, or with other columns set
			for _, c := range want.Soft {
				if !slices.Contains(t.Soft, c) {
					t.Soft = slices.Concat(t.Soft, []string{c})
				}
			}
			return i
		}
	}
	r.tables = append(r.tables, want)
	return len(r.tables) - 1
}

const (
	maxSQL        = 64 << 10 // bounds a statement's text in an entry, in bytes
	maxStatements = 1000     // bounds the statements of an entry
	maxText       = 4 << 20  // bounds their texts together
)

// furtherStatements stands for those beyond the bounds.
const furtherStatements = "(further statements)"

// statements are those that removed rows, as an entry has them.
func (r *removals) statements() []journal.Statement {
	if r.last == nil {
		return nil
	}
	return append(slices.Clip(r.earlier), *r.last)
}

// add notes a statement. Repetitions of one text are added up, so that a loop
// of single-row deletes stays one line.
func (r *removals) add(sql, tag string) {
	sql = strings.TrimSpace(sql)
	if len(sql) > maxSQL {
		sql = strings.ToValidUTF8(sql[:maxSQL], "") + "…"
	}
	sql = strings.ToValidUTF8(sql, "\uFFFD") // a client's encoding may be another
	if r.last != nil && r.last.SQL == sql {
		a, ok := deletedBy(r.last.Tag)
		if b, also := deletedBy(tag); ok && also {
			r.last = &journal.Statement{SQL: sql, Tag: fmt.Sprintf("DELETE %d", a+b)}
			return
		}
	}
	if r.last != nil && (len(r.earlier)+1 >= maxStatements || r.text+len(sql) > maxText) && sql != furtherStatements {
		if r.last.SQL != furtherStatements {
			r.next(furtherStatements, "DELETE 0")
		}
		if _, ok := deletedBy(tag); ok {
			r.add(furtherStatements, tag)
		}
		return
	}
	r.text += len(sql)
	r.next(sql, tag)
}

func (r *removals) next(sql, tag string) {
	if r.last != nil {
		r.earlier = append(r.earlier, *r.last)
	}
	r.last = &journal.Statement{SQL: sql, Tag: tag}
}

// deletedBy is the number in the command tag of a DELETE.
func deletedBy(tag string) (n int64, ok bool) {
	text, ok := strings.CutPrefix(tag, "DELETE ")
	n, err := strconv.ParseInt(text, 10, 64)
	return n, ok && err == nil
}
