package backup

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/rowback/rowback/recovery"
)

// Format is the kind of a dump, as pg_dump's --format names it.
type Format string

const (
	Custom    Format = "custom"
	Directory Format = "directory"
	Tar       Format = "tar"
	Plain     Format = "plain"
)

// dump is a dump on disk.
type dump struct {
	path   string
	format Format
	size   int64
	gzip   bool // of a plain one
}

// inspect finds out what kind of dump it is.
func inspect(path string) (dump, error) {
	d := dump{path: path}
	info, err := os.Stat(path)
	if err != nil {
		return d, recovery.Refuse(recovery.Usage, err.Error())
	}
	if info.IsDir() {
		if _, err := os.Stat(filepath.Join(path, "toc.dat")); err != nil {
			return d, recovery.Refuse(recovery.Usage, path+" is a directory, but not one that pg_dump --format=directory makes: it holds no toc.dat")
		}
		d.format = Directory
		return d, filepath.WalkDir(path, func(_ string, e os.DirEntry, err error) error {
			if info, infoErr := e.Info(); err == nil && infoErr == nil && !e.IsDir() {
				d.size += info.Size()
			}
			return err
		})
	}
	d.size = info.Size()
	f, err := os.Open(path)
	if err != nil {
		return d, err
	}
	defer f.Close()
	start := make([]byte, 8192)
	n, err := io.ReadFull(f, start)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return d, recovery.Refuse(recovery.Usage, fmt.Sprintf("%s cannot be read as a dump: %v", path, err))
	}
	start = start[:n]
	switch {
	case bytes.HasPrefix(start, []byte("PGDMP")):
		d.format = Custom
		return d, nil
	case len(start) > 262 && string(start[257:262]) == "ustar":
		d.format = Tar
		return d, nil
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b}):
		d.gzip = true
		z, err := gzip.NewReader(bytes.NewReader(start))
		if err != nil {
			return d, recovery.Refuse(recovery.Usage, fmt.Sprintf("%s: %v", path, err))
		}
		text := make([]byte, 8192)
		n, _ := io.ReadFull(z, text) // its beginning is cut off, of course
		start = text[:n]
	}
	d.format = Plain
	switch {
	case bytes.Contains(start, []byte("PostgreSQL database cluster dump")):
		return d, recovery.Refuse(recovery.Usage, path+" is a dump of a whole cluster (pg_dumpall): it would make databases and roles; dump the one database with pg_dump")
	case bytes.HasPrefix(start, []byte("PGDMP")), bytes.IndexByte(start, 0) >= 0:
		return d, recovery.Refuse(recovery.Usage, path+" is no dump that rowback knows (custom, directory, tar, or plain SQL, which may be gzipped); unpack it first")
	case len(bytes.TrimSpace(start)) == 0:
		return d, recovery.Refuse(recovery.Usage, path+" is empty")
	}
	return d, nil
}

// text opens a plain dump. The caller closes it.
func (d dump) text() (io.Reader, io.Closer, error) {
	f, err := os.Open(d.path)
	if err != nil {
		return nil, nil, err
	}
	if !d.gzip {
		return bufio.NewReaderSize(f, 1<<16), f, nil
	}
	z, err := gzip.NewReader(bufio.NewReaderSize(f, 1<<16))
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return z, f, nil
}
