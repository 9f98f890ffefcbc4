package recovery

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/rowback/rowback/journal"
)

// A diff file is lines of JSON: a DiffHeader, a DiffKey for each row, a DiffEnd.
// `rowback diff --out` writes it; FromDiff takes the lost rows from it. People
// may take lines of keys out.
type (
	DiffHeader struct {
		Version    int       `json:"rowback_diff"` // 1
		Time       time.Time `json:"time"`
		Database   string    `json:"database"`
		Production string    `json:"production"` // for people
		Recovery   string    `json:"recovery"`
	}
	DiffKey struct {
		Schema string                     `json:"schema"`
		Table  string                     `json:"table"`
		Key    map[string]json.RawMessage `json:"key"`
		State  string                     `json:"state"` // DiffLost, …
	}
	DiffEnd struct {
		End  bool  `json:"end"`
		Lost int64 `json:"lost"` // keys with DiffLost that were written
	}
)

// States of a DiffKey. Only DiffLost is restored.
const (
	DiffLost     = "lost"     // in the backup, not in production
	DiffRecorded = "recorded" // the same, and its deletion is in the journal
	DiffChanged  = "changed"  // in both, and not the same
)

// FromDiff reads the lost rows of a diff file, as a stream: it must stay where it is.
func FromDiff(path string) (*Source, error) {
	s := &Source{origin: "--from-diff " + path}
	tables := map[string]int{}
	end, err := readDiff(path, func(h DiffHeader) { s.Database = h.Database }, func(k DiffKey, _ []*string) error {
		name := journal.QuoteName(k.Schema, k.Table)
		i, known := tables[name]
		if !known {
			i = len(s.Tables)
			tables[name] = i
			t := journal.Table{Schema: k.Schema, Name: k.Table, Via: journal.Direct, KeysCaptured: true}
			for _, c := range slices.Sorted(maps.Keys(k.Key)) {
				t.Key = append(t.Key, journal.Column{Name: c})
			}
			s.Tables = append(s.Tables, t)
		}
		t := &s.Tables[i]
		t.Rows++
		if len(t.Key) != len(k.Key) || slices.ContainsFunc(t.Key, func(c journal.Column) bool { return k.Key[c.Name] == nil }) {
			return fmt.Errorf("the keys of %s do not all have the same columns", name)
		}
		return nil
	})
	if err != nil {
		return nil, refuse(Usage, fmt.Sprintf("%s: %v", path, err))
	}
	switch n := s.total(); {
	case n == 0:
		return nil, refuse(Usage, path+" proposes no row to restore")
	case n < end.Lost:
		s.Warnings = append(s.Warnings, fmt.Sprintf("%s was edited: it holds %s of the %s that were found lost", path, grouped(n), grouped(end.Lost)))
	case n > end.Lost:
		s.Warnings = append(s.Warnings, fmt.Sprintf("%s was edited: it holds %s, and %s were found lost", path, plural(n, "key"), grouped(end.Lost)))
	}
	s.Rows = func(yield func(journal.Row, error) bool) {
		stopped := errors.New("stopped")
		_, err := readDiff(path, func(DiffHeader) {}, func(k DiffKey, values []*string) error {
			if !yield(journal.Row{Table: tables[journal.QuoteName(k.Schema, k.Table)], Values: values}, nil) {
				return stopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, stopped) {
			yield(journal.Row{}, fmt.Errorf("%s: %w", path, err))
		}
	}
	return s, nil
}

// readDiff calls key for each lost row, with its values in the order of the
// columns' names. A file without its end is an error.
func readDiff(path string, header func(DiffHeader), key func(DiffKey, []*string) error) (end DiffEnd, err error) {
	f, err := os.Open(path)
	if err != nil {
		return end, err
	}
	defer f.Close()
	d := json.NewDecoder(bufio.NewReaderSize(f, 1<<16))
	var h DiffHeader
	if err := d.Decode(&h); err != nil || h.Version == 0 {
		return end, errors.New("is no file of `rowback diff --out`, whose first line is {\"rowback_diff\":1,…}; for keys of one table there is --table with --keys")
	}
	if h.Version != 1 {
		return end, fmt.Errorf("is of version %d; this rowback reads version 1", h.Version)
	}
	header(h)
	for n := 2; ; n++ { // as it was written, a key a line
		var line struct {
			DiffKey
			DiffEnd
		}
		switch err := d.Decode(&line); {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return end, errors.New("is cut off: its last line is missing; make it again with `rowback diff --out`")
		case err != nil:
			return end, fmt.Errorf("line %d: %w", n, err)
		case line.End:
			return line.DiffEnd, nil
		case line.Table == "" || len(line.Key) == 0:
			return end, fmt.Errorf("line %d: the key has no table or no columns", n)
		case line.State != DiffLost:
			continue
		}
		values, err := line.values()
		if err != nil {
			return end, fmt.Errorf("line %d: %w", n, err)
		}
		if err := key(line.DiffKey, values); err != nil {
			return end, err
		}
	}
}

func (k DiffKey) values() ([]*string, error) {
	var out []*string
	for _, c := range slices.Sorted(maps.Keys(k.Key)) {
		text := string(k.Key[c])
		if text != "" && text[0] == '"' {
			if err := json.Unmarshal(k.Key[c], &text); err != nil {
				return nil, err
			}
		} else if v := map[string]any(nil); text != "" && text[0] == '{' && json.Unmarshal(k.Key[c], &v) == nil && len(v) > 0 {
			var ok bool
			if text, ok = fromBase64(v); !ok {
				return nil, fmt.Errorf("%s is an object, and not {\"base64\": …}", c)
			}
		} else if text == "" || text == "null" || text[0] == '{' || text[0] == '[' {
			return nil, fmt.Errorf("%s is neither text, number nor boolean", c)
		}
		out = append(out, &text)
	}
	return out, nil
}
