package upkeep

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/rowback/rowback/journal"
)

// Imported is what Import has taken.
type Imported struct {
	Entries   int64 `json:"entries"`
	Approvals int64 `json:"approvals"`
	There     int64 `json:"there"` // that were there already
}

// Import stores what Export wrote. It may be done again: what is there already stays as
// it is, but for an entry in doubt, which ends as it has in the export. spill is for keys
// that are too many for memory. Its error names the line.
func Import(ctx context.Context, j journal.Journal, r io.Reader, spill string) (*Imported, error) {
	i := importer{j: j, spill: spill}
	defer i.drop()
	in := json.NewDecoder(r)
	for n := 1; ; n++ {
		var l line
		err := in.Decode(&l)
		if errors.Is(err, io.EOF) {
			if i.entry != nil {
				return &i.done, fmt.Errorf("the export ends in the middle of entry %s: it is not complete", i.entry.ID)
			}
			if i.settled {
				return &i.done, j.Ping(ctx)
			}
			return &i.done, nil
		}
		if err == nil {
			err = i.line(ctx, l)
		} else {
			err = notExported(err)
		}
		if err != nil {
			return &i.done, fmt.Errorf("line %d: %w", n, err)
		}
	}
}

// notExported says in words why a line cannot be read.
func notExported(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the export ends in the middle of it: it is not complete (%w)", err)
	case errors.As(err, &syntax), errors.As(err, &kind):
		return fmt.Errorf("it is none that `rowback journal export` writes as JSON lines: %w", err)
	}
	return err
}

var exported = regexp.MustCompile(`^\s*\{\s*"(entry|allowance|hold)"\s*:`)

// LooksExported: start is how a file of Export begins, or nothing at all, which
// is the export of a journal without entries.
func LooksExported(start []byte) bool {
	return len(bytes.TrimSpace(start)) == 0 || exported.Match(start)
}

// importer gathers an entry until its end.
type importer struct {
	j     journal.Journal
	spill string
	done  Imported
	// settled: there are outcomes that are not durable yet.
	settled bool

	entry  *journal.Entry // nil between entries
	keys   *journal.Keys
	set    *journal.ImageSet
	images *spool

	granted map[string]journal.Allowance // that were there already, as read last
}

func (i *importer) line(ctx context.Context, l line) error {
	if (l.Entry == nil) == (i.entry == nil) {
		if l.Entry != nil {
			return fmt.Errorf("entry %s has no end", i.entry.ID)
		}
		return i.approval(ctx, l)
	}
	switch {
	case l.Entry != nil:
		i.entry, i.keys = l.Entry, journal.NewKeys(i.spill)
		return nil
	case l.Images != nil:
		i.set, i.images = l.Images, newSpool(i.spill)
		return nil
	case l.Block != nil && i.images != nil:
		return i.images.add(l.Block)
	case l.End != nil:
		return i.end(ctx, *l.End)
	case l.Removed != "" && l.Removed == i.entry.ID:
		i.drop()
		return nil
	}
	for _, r := range l.Rows {
		if err := checkRow(i.entry, journal.Row(r)); err != nil {
			return err
		}
		if err := i.keys.Add(journal.Row(r)); err != nil {
			return err
		}
	}
	return nil
}

func (i *importer) end(ctx context.Context, e end) error {
	defer i.drop()
	if e.ID != i.entry.ID || e.Keys != i.keys.Len() {
		return fmt.Errorf("entry %s has %d keys, and its end says %d of %s", i.entry.ID, i.keys.Len(), e.Keys, e.ID)
	}
	if i.set != nil {
		if err := i.keys.AddStored(i.set, i.images.all()); err != nil {
			return err
		}
	}
	err := i.j.Append(ctx, i.entry, i.keys)
	if errors.Is(err, journal.ErrExists) {
		if err := i.settle(ctx, i.entry); err != nil {
			return err
		}
	}
	return i.taken(err, &i.done.Entries)
}

// settle takes over how the transaction of an entry has ended, or that it was seen
// prepared, if the journal has the entry still in doubt.
func (i *importer) settle(ctx context.Context, e *journal.Entry) error {
	has, err := i.j.Entry(ctx, e.ID)
	switch {
	case journal.IsDamage(err):
		return nil // stays as it is
	case err != nil:
		return err
	case has.Outcome != journal.InDoubt:
		return nil
	case e.Outcome != journal.InDoubt:
		err = i.j.Settle(ctx, e.ID, e.Outcome)
	case e.Server.Timeline > 0 && has.Server.Timeline == 0:
		err = i.j.Prepared(ctx, e.ID, e.Server)
	default:
		return nil
	}
	if errors.Is(err, journal.ErrSettled) { // meanwhile, by a proxy
		return nil
	}
	i.settled = true
	return err
}

func (i *importer) taken(err error, count *int64) error {
	if errors.Is(err, journal.ErrExists) {
		i.done.There++
		return nil
	}
	if err == nil {
		*count++
	}
	return err
}

func (i *importer) drop() {
	if i.keys != nil {
		_ = i.keys.Close()
	}
	if i.images != nil {
		i.images.close()
	}
	i.entry, i.keys, i.set, i.images = nil, nil, nil, nil
}
