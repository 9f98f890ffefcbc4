package upkeep

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
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
	Removed   string             `json:"removed,omitempty"`
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
// lines; with the empty filter allowances and holds too. It returns how many entries:
// of one that is removed from the journal meanwhile the export says so.
func Export(ctx context.Context, j journal.Journal, f journal.Filter, w io.Writer) (n int64, err error) {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	for e, err := range j.Entries(ctx, f) {
		if err == nil {
			n++
			err = exportEntry(ctx, j, e, out)
			if removed(ctx, j, e.ID, e.Time, err) {
				n--
				err = out.Encode(line{Removed: e.ID})
			}
		}
		if err != nil {
			return n, err
		}
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
		// None at all is also what is left of an entry that was removed.
		if set == nil && slices.ContainsFunc(e.Tables, func(t journal.Table) bool { return t.RowsCaptured && t.Rows > 0 }) {
			if _, err := j.Entry(ctx, e.ID); err != nil {
				return err
			}
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
