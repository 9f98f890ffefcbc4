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

// file appends the receipt to those in dir.
func (r *Receipt) file(dir, line string) error {
	if dir == "" {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(dir, receiptsFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Sync(), f.Close())
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
	if r.Tables == 0 {
		fmt.Fprintln(w, "  It has no rows: nothing can be restored from it. Is it a dump of the schema alone?")
	}
}
