package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

const keyCheck = "journal key"

// journalKey reads the key of images, nil if there is none; ok: it can be used.
func (e *examination) journalKey() (key []byte, ok bool) {
	if e.o.JournalKey == nil {
		return nil, true
	}
	key, err := e.o.JournalKey()
	if err != nil {
		e.fail(keyCheck, "until then the proxy does not start, and a restore only with --no-images, from the recovery database", "%v", err)
		return nil, false
	}
	if info, err := os.Stat(e.o.JournalKeyFile); err == nil && e.o.JournalKeyFile != "" && info.Mode().Perm()&0o077 != 0 {
		e.warn(keyCheck, "chmod 600 "+e.o.JournalKeyFile, "others may read %s, which opens the rows in the journal (mode %04o)", e.o.JournalKeyFile, info.Mode().Perm())
	}
	return key, true
}

// keepsRows: a rule has whole rows kept.
func (e *examination) keepsRows() bool {
	for _, r := range append([]policy.Rule{e.o.Policy.Default}, e.o.Policy.Rules...) {
		if r.Capture == policy.CaptureRows {
			return true
		}
	}
	return false
}

// images: those of an entry, the newest that has any (nil: there is none), can be
// read with the key that is configured.
func (e *examination) images(ctx context.Context, j journal.Journal, key []byte, newest *journal.Entry) {
	if newest != nil {
		for _, err := range j.Images(ctx, newest.ID) {
			if err != nil {
				mend := ""
				if errors.Is(err, journal.ErrSealed) {
					mend = "configure the key that they were written with: a restore needs it, and no other opens them"
				}
				e.fail(keyCheck, mend, "%v", err)
				return
			}
			break
		}
	}
	read := "there are none yet"
	if newest != nil {
		read = fmt.Sprintf("those of entry %s can be read", newest.ID)
	}
	switch {
	case key != nil:
		e.ok(keyCheck, "images of rows are encrypted; %s", read)
	case e.keepsRows():
		e.ok(keyCheck, "none: images of rows stand in the journal in clear; %s", read)
	}
}
