package main

import (
	"errors"
	"fmt"

	"github.com/rowback/rowback/journal"
)

// keySetting is secret: a path in the environment would save nobody a file.
const keySetting = "journal-key"

// journalKey is the key of images in the journal, nil if there is none. It is read
// where it is used: other commands work without. Its errors are usage errors and
// do not show it.
func (s *settings) journalKey() ([]byte, error) {
	env := envName(keySetting)
	switch {
	case s.origin[keySetting] == env:
		key, err := journal.ParseKey(s.env[env])
		if err != nil {
			return nil, usageError(errors.New(env + ": " + err.Error()))
		}
		return key, nil
	case s.JournalKey == "":
		return nil, nil
	}
	key, err := journal.ReadKey(s.JournalKey)
	if err != nil {
		return nil, usageError(fmt.Errorf("%s: %w", s.origin[keySetting], err))
	}
	return key, nil
}
