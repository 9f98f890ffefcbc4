package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// outFile is a file that a command writes when its work is done. It is opened
// before that begins: a path that cannot be written costs nothing then. What
// stands there stays until write. A nil outFile is none.
type outFile struct {
	f    *os.File
	made bool // by us, and not written yet
}

// openOut opens the file that a flag names, none for "". Its errors are usage
// errors. Who calls it also calls discard.
func openOut(flag, path string) (*outFile, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	made := err == nil
	if errors.Is(err, fs.ErrExist) {
		f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o666) // may be the end of a dangling link
	}
	if err != nil {
		return nil, cannotWrite(flag, path, err)
	}
	return &outFile{f, made}, nil
}

// cannotWrite says why the file that a flag names cannot be written.
func cannotWrite(flag, path string, err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	if _, statErr := os.Stat(filepath.Dir(path)); errors.Is(statErr, fs.ErrNotExist) {
		err = fmt.Errorf("there is no directory %s", filepath.Dir(path))
	}
	return usageError(fmt.Errorf("--%s: %s cannot be written: %w", flag, path, err))
}

// write makes the file whole, or says why not.
func (o *outFile) write(contents func(io.Writer) error) error {
	if o == nil {
		return nil
	}
	o.made = false
	if info, err := o.f.Stat(); err == nil && info.Mode().IsRegular() { // no pipe or terminal
		if err := o.f.Truncate(0); err != nil {
			return err
		}
	}
	out := bufio.NewWriter(o.f)
	err := contents(out)
	if err == nil {
		err = out.Flush()
	}
	return errors.Join(err, o.f.Close())
}

// discard removes a file that openOut made and that was not written.
func (o *outFile) discard() {
	if o == nil {
		return
	}
	_ = o.f.Close() // twice, after write
	if o.made {
		_ = os.Remove(o.f.Name())
	}
}
