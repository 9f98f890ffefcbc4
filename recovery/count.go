package recovery

import (
	"encoding/json"
	"slices"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// Count is one table's share of a plan or report. Requested is the sum of
// Restored, AlreadyPresent, Different, Conflicts, Missing, ParentGone, Filtered and Unmarked.
type Count struct {
	Schema         string `json:"schema"`
	Table          string `json:"table"`
	Requested      int64  `json:"requested"`
	Restored       int64  `json:"restored"`    // in a plan or dry run: to be restored
	FromImages     int64  `json:"from_images"` // of Restored: from the journal's images, not from the recovery database
	AlreadyPresent int64  `json:"already_present"`
	Different      int64  `json:"different"`
	Conflicts      int64  `json:"conflicts"` // soft deletes among them that cannot be set back
	Missing        int64  `json:"missing_in_backup"`
	ParentGone     int64  `json:"parent_gone"`
	Filtered       int64  `json:"filtered"` // left out by the configuration
	Relinked       int64  `json:"relinked"`
	Unmarked       int64  `json:"unmarked"` // soft deletes that were set back
	Parents        int64  `json:"parents"`  // of Requested: rows that only --with-parents asked for
}

// Unrestored is one row, or one link of a row, that stays as it is, and why.
type Unrestored struct {
	Schema, Table string
	Key           json.RawMessage // an object: column to value; nil (null in JSON): of all the table's rows that the reason is about
	Reason        string
	group         string // what rows share whose reasons differ only by values; "": the reason
}

// newUnrestored takes the key's values as text, followed by the reason.
func newUnrestored(t *catalog.Table, key []string, row []*string) (Unrestored, error) {
	jt := journal.Table{Schema: t.Schema, Name: t.Name, Key: journalColumns(t, key)}
	text, err := jt.KeyJSON(journal.Row{Values: row[:len(key)]})
	if err != nil {
		return Unrestored{}, err
	}
	var o struct{ Key json.RawMessage }
	if err := json.Unmarshal(text, &o); err != nil {
		return Unrestored{}, err
	}
	return Unrestored{Schema: t.Schema, Table: t.Name, Key: o.Key, Reason: *row[len(key)]}, nil
}

// MarshalJSON is {"schema","table","key","reason"}.
func (u Unrestored) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Schema string          `json:"schema"`
		Table  string          `json:"table"`
		Key    json.RawMessage `json:"key"`
		Reason string          `json:"reason"`
	}{u.Schema, u.Table, u.Key, u.Reason})
}

// counts are the tables' counts with those of the links merged in.
func (r *restore) counts() []Count {
	out := slices.Concat([]Count{}, r.outside)
	for _, t := range r.tables {
		out = append(out, t.count)
	}
	for _, l := range r.links {
		i := slices.IndexFunc(out, func(c Count) bool { return c.Schema == l.live.Schema && c.Table == l.live.Name })
		if i < 0 {
			i = len(out)
			out = append(out, Count{Schema: l.live.Schema, Table: l.live.Name})
		}
		out[i].Relinked += l.relinked
	}
	return out
}
