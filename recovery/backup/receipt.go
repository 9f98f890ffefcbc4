package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rowback/rowback/recovery"
)

// commentPrefix begins the comment of a database whose rest is its receipt.
const commentPrefix = "rowback: "

// ReadReceipt is the receipt that the session's database was loaded with; nil if it has none.
func ReadReceipt(ctx context.Context, s *recovery.Session) (*Receipt, error) {
	rows, err := s.Rows(ctx, "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()")
	if err != nil || rows[0][0] == nil {
		return nil, err
	}
	line, ours := strings.CutPrefix(*rows[0][0], commentPrefix)
	r := new(Receipt)
	if !ours || json.Unmarshal([]byte(line), r) != nil || r.Loaded.IsZero() {
		return nil, nil // somebody's own comment
	}
	return r, nil
}

// dumpTime reads the time that pg_dump writes into a dump: the clock on the wall of the
// host that it ran on. Its zone is not in an archive, so this host's is taken, as pg_restore
// does; zero if it cannot be read.
func dumpTime(text string) time.Time {
	if len(text) < len(time.DateTime) {
		return time.Time{}
	}
	t, err := time.ParseInLocation(time.DateTime, text[:len(time.DateTime)], time.Local)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

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
	if !r.Dumped.IsZero() {
		from += ", dumped " + r.Dumped.Format(time.RFC3339)
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
