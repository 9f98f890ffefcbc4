package diff

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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

func create(path string, h recovery.DiffHeader) (*file, error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600: keys are data
	if err != nil {
		return nil, err
	}
	out := &file{path: path, f: f, out: bufio.NewWriterSize(f, 1<<16)}
	if err := json.NewEncoder(out.out).Encode(h); err != nil {
		out.discard()
		return nil, err
	}
	return out, nil
}

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
