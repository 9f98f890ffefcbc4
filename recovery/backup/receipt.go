package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/rowback/rowback/recovery"
)

// receiptsFile holds a receipt a line.
const receiptsFile = "loads.jsonl"

func (r *Receipt) line() (string, error) {
	out, err := json.Marshal(r)
	return string(out), err
}

// openReceipts opens the file of receipts in dir, none for "". It is opened
// before the load: what has taken hours is not dropped for want of a line.
func openReceipts(dir string) (*os.File, error) {
	if dir == "" {
		return nil, nil
	}
	f, err := os.OpenFile(filepath.Join(dir, receiptsFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, recovery.Refuse(recovery.Usage, fmt.Sprintf("the receipt cannot be kept in the journal's directory: %v; load as the user that the proxy runs as, or name another directory with --journal", err))
	}
	return f, nil
}

// file appends the receipt's line to the others, f nil to none.
func (r *Receipt) file(f *os.File, line string) error {
	if f == nil {
		return nil
	}
	_, err := f.WriteString(line + "\n")
	return errors.Join(err, f.Sync())
}

// WriteJSON prints the receipt as one line of JSON.
func (r *Receipt) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// WriteText prints the receipt for people.
func (r *Receipt) WriteText(w io.Writer) {
	from := ""
	if r.From != "" {
		from = ", from PostgreSQL " + r.From
	}
	fmt.Fprintf(w, "Loaded %s (%s, %s bytes%s)\n  into  %s\n  with  %s that have rows, in %.1f s. It is marked read-only.\n",
		r.Dump, r.Format, recovery.Grouped(r.Bytes), from, r.Server, recovery.Plural(int64(r.Tables), "table"), r.Seconds)
	if r.alone {
		fmt.Fprintf(w, "  One connection did it, whatever --jobs says: a %s dump cannot be taken apart.\n", r.Format)
	}
	if r.Tables == 0 {
		fmt.Fprintln(w, "  It has no rows: nothing can be restored from it. Is it a dump of the schema alone?")
	}
}
