package crash

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
)

// disk is what a proxy's journal is on; see testdata/disk.c. It has a database, and an
// address for proxies.
type disk struct {
	so, dir, log, faults string

	addr, url, direct string

	durable map[string][]byte // the journal's files as they have been synced
}

func newDisk(t *testing.T) *disk {
	t.Helper()
	tmp := t.TempDir()
	d := &disk{so: filepath.Join(tmp, "disk.so"), dir: filepath.Join(tmp, "journal"), log: filepath.Join(tmp, "log"), faults: tmp,
		addr: freeAddr(t), durable: map[string][]byte{}}
	database := pgtest.Database(t, tables)
	d.url, d.direct = through(d.addr, database), pgtest.Shared(t).URL(database)
	// cgo has needed a compiler as well.
	if out, err := exec.CommandContext(t.Context(), "cc", "-shared", "-fPIC", "-O1", "-o", d.so, "testdata/disk.c", "-ldl", "-pthread").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	program(t) // made before the clock runs
	return d
}

// start starts a proxy whose journal is on the disk.
func (d *disk) start(t *testing.T) *served {
	t.Helper()
	for name, value := range map[string]string{"LD_PRELOAD": d.so, "DISK_DIR": d.dir, "DISK_LOG": d.log, "DISK_FAULTS": d.faults} {
		if err := os.Setenv(name, value); err != nil {
			t.Fatal(err)
		}
		defer os.Unsetenv(name)
	}
	return start(t, d.addr, pgtest.Shared(t).Addr(), d.dir)
}

// serve is start, and returns once the proxy listens.
func (d *disk) serve(t *testing.T) *served {
	t.Helper()
	p := d.start(t)
	p.awaitListening(t)
	return p
}

// write is a change of a file that may not be durable: data at offset, or, if it is
// nil, its length.
type write struct {
	offset uint64
	data   []byte
}

func (w write) to(file []byte) []byte {
	if w.data == nil {
		if n := int(w.offset); n <= len(file) {
			return file[:n]
		}
		return append(file, make([]byte, int(w.offset)-len(file))...)
	}
	if end := int(w.offset) + len(w.data); end > len(file) {
		file = append(file, make([]byte, end-len(file))...)
	}
	copy(file[w.offset:], w.data)
	return file
}

// losePower is for a proxy that has been killed: of what it has not synced, any part
// reaches the disk, in any order, sectors of a write apart. It returns how many
// writes were in danger.
func (d *disk) losePower(t *testing.T) (endangered int) {
	t.Helper()
	log, err := os.ReadFile(d.log)
	if err != nil {
		t.Fatal(err)
	}
	waiting := map[string][]write{}
	for r := bytes.NewReader(log); ; {
		kind, err := r.ReadByte()
		if err != nil {
			break
		}
		length, _ := r.ReadByte()
		name := make([]byte, length)
		var offset uint64
		var n uint32
		_, _ = r.Read(name)
		_ = binary.Read(r, binary.LittleEndian, &offset)
		if binary.Read(r, binary.LittleEndian, &n) != nil || int(n) > r.Len() {
			break // killed in the middle of it
		}
		data := make([]byte, n)
		_, _ = r.Read(data)
		switch f := string(name); kind {
		case 'w':
			waiting[f] = append(waiting[f], write{offset, data})
		case 't':
			waiting[f] = append(waiting[f], write{offset, nil})
		case 's':
			for _, w := range waiting[f] {
				d.durable[f] = w.to(d.durable[f])
			}
			delete(waiting, f)
		case 'u':
			delete(waiting, f)
			delete(d.durable, f)
		}
	}
	const sector = 512
	for f, ws := range waiting {
		for _, w := range ws {
			endangered++
			if w.data == nil {
				if rand.IntN(2) == 0 {
					d.durable[f] = w.to(d.durable[f])
				}
				continue
			}
			whole := rand.IntN(3) // all, none, or some sectors
			for at := 0; at < len(w.data); at += sector {
				if whole == 0 || whole == 2 && rand.IntN(2) == 0 {
					d.durable[f] = write{w.offset + uint64(at), w.data[at:min(at+sector, len(w.data))]}.to(d.durable[f])
				}
			}
		}
	}
	if err := os.Truncate(d.log, 0); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files { // the index of the log (-shm) is memory
		if err := os.Remove(filepath.Join(d.dir, f.Name())); err != nil {
			t.Fatal(err)
		}
	}
	for f, data := range d.durable {
		if !strings.HasSuffix(f, "-shm") {
			if err := os.WriteFile(filepath.Join(d.dir, f), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return endangered
}

// The machine of the proxy loses its power under load, again and again: what was not
// synced is lost, torn, or written out of order. The journal agrees with the database.
func TestDisk_PowerLoss(t *testing.T) {
	d := newDisk(t)
	load := startClients(t, 6, d.url)
	losses, endangered := 0, 0
	for end := time.Now().Add(howLong(t, normal)); time.Now().Before(end); losses++ {
		p := d.serve(t)
		awaitDeletions(t, d.direct, 1+rand.IntN(30))
		p.kill(t)
		endangered += d.losePower(t)
	}
	load.stop()
	d.serve(t)
	rows := compare(t, d.direct, d.url, d.dir)
	if endangered == 0 {
		t.Error("no write was in danger: nothing was tried")
	}
	t.Logf("the power failed %d times, with %d writes not synced; %d rows deleted, every one in one committed entry", losses, endangered, rows)
}
