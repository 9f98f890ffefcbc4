package upkeep

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/rowback/rowback/journal"
)

// line is one line of an export; one field of it is set, and Keys beside End.
type line struct {
	Entry     *journal.Entry     `json:"entry,omitempty"`
	Rows      []row              `json:"keys,omitempty"`
	Images    *journal.ImageSet  `json:"images,omitempty"`
	Block     []byte             `json:"block,omitempty"`
	End       *end               `json:"end,omitempty"`
	Allowance *journal.Allowance `json:"allowance,omitempty"`
	Hold      *journal.Hold      `json:"hold,omitempty"`
}

// end closes an entry, and says how many keys came with it.
type end struct {
	ID   string `json:"id"`
	Keys int64  `json:"keys"`
}

// row is a key: the index of its table, then its values. One that is no UTF-8 is
// {"base64": …}.
type row journal.Row

type bytesOf struct {
	Base64 []byte `json:"base64"`
}

func (r row) MarshalJSON() ([]byte, error) {
	out := []any{r.Table}
	for _, v := range r.Values {
		if v != nil && !utf8.ValidString(*v) {
			out = append(out, bytesOf{[]byte(*v)})
			continue
		}
		out = append(out, v)
	}
	return json.Marshal(out)
}

func (r *row) UnmarshalJSON(text []byte) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil {
		return err
	}
	if len(parts) == 0 {
		return errors.New("a key without its table")
	}
	r.Values = make([]*string, len(parts)-1)
	err := json.Unmarshal(parts[0], &r.Table)
	for i := range r.Values {
		if part := parts[i+1]; part[0] == '{' {
			var b bytesOf
			err = errors.Join(err, json.Unmarshal(part, &b))
			text := string(b.Base64)
			r.Values[i] = &text
			continue
		}
		err = errors.Join(err, json.Unmarshal(parts[i+1], &r.Values[i]))
	}
	return err
}

// perLine is how many keys share a line.
const perLine = 1000

// Export writes the selected entries, newest first, with keys and images, as JSON
// lines; with the empty filter allowances and holds too. It returns how many entries.
func Export(ctx context.Context, j journal.Journal, f journal.Filter, w io.Writer) (n int64, err error) {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	for e, err := range j.Entries(ctx, f) {
		if err == nil {
			err = exportEntry(ctx, j, e, out)
		}
		if err != nil {
			return n, err
		}
		n++
	}
	if f != (journal.Filter{}) {
		return n, nil
	}
	allowances, err := j.Allowances(ctx, zero)
	if err != nil {
		return n, err
	}
	holds, err := j.Holds(ctx, "")
	for i := range allowances {
		err = errors.Join(err, out.Encode(line{Allowance: &allowances[i]}))
	}
	for i := range holds {
		err = errors.Join(err, out.Encode(line{Hold: &holds[i]}))
	}
	return n, err
}

func exportEntry(ctx context.Context, j journal.Journal, e *journal.Entry, out *json.Encoder) error {
	if err := out.Encode(line{Entry: e}); err != nil {
		return err
	}
	keys, rows := int64(0), []row(nil)
	for r, err := range j.Rows(ctx, e.ID) {
		if err != nil {
			return err
		}
		keys++
		if rows = append(rows, row(r)); len(rows) == perLine {
			if err := out.Encode(line{Rows: rows}); err != nil {
				return err
			}
			rows = rows[:0]
		}
	}
	if len(rows) > 0 {
		if err := out.Encode(line{Rows: rows}); err != nil {
			return err
		}
	}
	if k, ok := j.(journal.Keeper); ok {
		set, blocks, err := k.StoredImages(ctx, e.ID)
		if err != nil {
			return err
		}
		if set != nil {
			if err := out.Encode(line{Images: set}); err != nil {
				return err
			}
			for b, err := range blocks {
				if err == nil {
					err = out.Encode(line{Block: b})
				}
				if err != nil {
					return err
				}
			}
		}
	}
	return out.Encode(line{End: &end{e.ID, keys}})
}

// ExportCSV writes a line for each key of the selected entries, and one for each
// table of which there are none.
func ExportCSV(ctx context.Context, j journal.Journal, f journal.Filter, w io.Writer) (n int64, err error) {
	out := csv.NewWriter(w)
	if err := out.Write([]string{"id", "time", "kind", "outcome", "database", "user", "application", "client", "xid", "schema", "table", "via", "rows", "key"}); err != nil {
		return 0, err
	}
	for e, err := range j.Entries(ctx, f) {
		if err != nil {
			return n, err
		}
		n++
		write := func(t journal.Table, key string) error {
			return out.Write([]string{e.ID, e.Time.UTC().Format(time.RFC3339Nano), string(e.Kind), string(e.Outcome), e.Database, e.User, e.Application, e.Client, e.XID,
				t.Schema, t.Name, string(t.Via), strconv.FormatInt(t.Rows, 10), key})
		}
		seen := map[int]bool{}
		for r, err := range j.Rows(ctx, e.ID) {
			if err != nil {
				return n, err
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
				return n, err
			}
			seen[r.Table] = true
		}
		for i, t := range e.Tables {
			if !seen[i] {
				if err := write(t, ""); err != nil {
					return n, err
				}
			}
		}
		if len(e.Tables) == 0 {
			if err := write(journal.Table{Rows: e.Rows}, ""); err != nil {
				return n, err
			}
		}
	}
	out.Flush()
	return n, out.Error()
}
