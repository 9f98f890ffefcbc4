package upkeep

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"time"

	"github.com/rowback/rowback/journal"
)

// ExportCSV writes a line for each key of the selected entries, and one for each
// table of which there are none. Of an entry that is removed from the journal meanwhile
// what is written stays, and it does not count.
func ExportCSV(ctx context.Context, j journal.Journal, f journal.Filter, w io.Writer) (n int64, err error) {
	out := csv.NewWriter(w)
	if err := out.Write([]string{"id", "time", "kind", "outcome", "database", "user", "application", "client", "xid", "schema", "table", "via", "rows", "key"}); err != nil {
		return 0, err
	}
	for e, err := range j.Entries(ctx, f) {
		if err == nil {
			n++
			err = exportCSVEntry(ctx, j, e, out)
			if removed(ctx, j, e.ID, e.Time, err) {
				n--
				continue
			}
		}
		if err != nil {
			return n, err
		}
	}
	out.Flush()
	return n, out.Error()
}

func exportCSVEntry(ctx context.Context, j journal.Journal, e *journal.Entry, out *csv.Writer) error {
	write := func(t journal.Table, key string) error {
		return out.Write([]string{e.ID, e.Time.UTC().Format(time.RFC3339Nano), string(e.Kind), string(e.Outcome), e.Database, e.User, e.Application, e.Client, e.XID,
			t.Schema, t.Name, string(t.Via), strconv.FormatInt(t.Rows, 10), key})
	}
	seen := map[int]bool{}
	for r, err := range j.Rows(ctx, e.ID) {
		if err != nil {
			return err
		}
		t := e.Tables[r.Table]
		key := map[string]*string{}
		for i, c := range t.Key {
			if i < len(r.Values) {
				key[c.Name] = r.Values[i]
			}
		}
		text, err := json.Marshal(key)
		if err == nil {
			err = write(t, string(text))
		}
		if err != nil {
			return err
		}
		seen[r.Table] = true
	}
	for i, t := range e.Tables {
		if !seen[i] {
			if err := write(t, ""); err != nil {
				return err
			}
		}
	}
	if len(e.Tables) == 0 {
		return write(journal.Table{Rows: e.Rows}, "")
	}
	return nil
}
