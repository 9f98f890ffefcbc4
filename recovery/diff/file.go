package diff

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/recovery"
)

// file is the keys found, on their way to a diff file: under another name until
// it is whole. A nil file takes and drops everything.
type file struct {
	path string
	f    *os.File

	mu  sync.Mutex // guards what follows
	out *bufio.Writer
}

// create refuses a path that cannot be written, or where something stands.
func create(path string) (*file, error) {
	refuse := func(why string) (*file, error) {
		return nil, recovery.Refuse(recovery.Usage, fmt.Sprintf("--out: %s cannot be written: %s", path, why))
	}
	if there, err := filepath.EvalSymlinks(path); err == nil {
		path = there // not the link gets the contents
	}
	switch info, err := os.Stat(path); {
	case err == nil && !info.Mode().IsRegular():
		return refuse("it is no regular file")
	case err == nil:
		return nil, recovery.Refuse(recovery.Usage, fmt.Sprintf("--out: %s is there already; name a new one, or remove it", path))
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*") // mode 0600: keys are data
	switch at := (*fs.PathError)(nil); {
	case errors.Is(err, fs.ErrNotExist) && isNot(dir):
		return refuse("there is no directory " + dir)
	case errors.As(err, &at):
		return refuse(at.Err.Error())
	case err != nil:
		return refuse(err.Error())
	}
	return &file{path: path, f: f, out: bufio.NewWriterSize(f, 1<<16)}, nil
}

func isNot(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

func (f *file) begin(h recovery.DiffHeader) error { return json.NewEncoder(f.out).Encode(h) }

func (f *file) write(p *pair, state string, key []*string) error {
	if f == nil {
		return nil
	}
	line, err := p.journalTable().KeyJSON(journal.Row{Values: key})
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err = fmt.Fprintf(f.out, "%s,\"state\":%q}\n", bytes.TrimSuffix(line, []byte("}")), state)
	return err
}

func (f *file) finish(lost int64) error {
	end := json.NewEncoder(f.out).Encode(recovery.DiffEnd{End: true, Lost: lost})
	err := errors.Join(end, f.out.Flush(), f.f.Sync(), f.f.Close())
	if err == nil {
		err = os.Rename(f.f.Name(), f.path)
	}
	return err
}

// discard removes what is not finished; after finish it does nothing.
func (f *file) discard() {
	_ = f.f.Close()
	_ = os.Remove(f.f.Name())
}
