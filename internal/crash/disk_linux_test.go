package crash

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// disk is what a proxy's journal is on; see testdata/disk.c.
type disk struct {
	so, dir, log, hangs, readonly, full, slow string

	durable map[string][]byte // the journal's files as they have been synced
}

func newDisk(t *testing.T) *disk {
	t.Helper()
	tmp := t.TempDir()
	d := &disk{so: filepath.Join(tmp, "disk.so"), dir: filepath.Join(tmp, "journal"), log: filepath.Join(tmp, "log"),
		hangs: filepath.Join(tmp, "hangs"), readonly: filepath.Join(tmp, "readonly"),
		full: filepath.Join(tmp, "full"), slow: filepath.Join(tmp, "slow"), durable: map[string][]byte{}}
	// cgo has needed a compiler as well.
	if out, err := exec.CommandContext(t.Context(), "cc", "-shared", "-fPIC", "-O1", "-o", d.so, "testdata/disk.c", "-ldl", "-pthread").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return d
}

// serve starts a proxy whose journal is on the disk.
func (d *disk) serve(t *testing.T, addr, upstream string) *served {
	t.Helper()
	program(t) // not to be made with what follows
	for name, value := range map[string]string{"LD_PRELOAD": d.so, "DISK_DIR": d.dir, "DISK_LOG": d.log, "DISK_HANGS": d.hangs, "DISK_READONLY": d.readonly, "DISK_FULL": d.full, "DISK_SLOW": d.slow} {
		if err := os.Setenv(name, value); err != nil {
			t.Fatal(err)
		}
		defer os.Unsetenv(name)
	}
	return serve(t, addr, upstream, d.dir)
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
	c := pgtest.Shared(t)
	database := pgtest.Database(t, tables)
	d, addr := newDisk(t), freeAddr(t)
	url, direct := through(addr, database), c.URL(database)
	program(t)
	load := startClients(t, 6, url)
	losses, endangered := 0, 0
	for end := time.Now().Add(howLong(t, normal)); time.Now().Before(end); losses++ {
		p := d.serve(t, addr, c.Addr())
		awaitDeletions(t, direct, 1+rand.IntN(30))
		p.kill(t)
		endangered += d.losePower(t)
	}
	load.stop()
	d.serve(t, addr, c.Addr())
	rows := compare(t, direct, url, d.dir)
	if endangered == 0 {
		t.Error("no write was in danger: nothing was tried")
	}
	t.Logf("the power failed %d times, with %d writes not synced; %d rows deleted, every one in one committed entry", losses, endangered, rows)
}

// Under load the disk is full, read-only, slow, or hangs, for a while each, and the proxy is
// killed now and then. The journal agrees with the database.
func TestDisk_Faults(t *testing.T) {
	c := pgtest.Shared(t)
	database := pgtest.Database(t, tables)
	d, addr := newDisk(t), freeAddr(t)
	url, direct := through(addr, database), c.URL(database)
	program(t)
	load := startClients(t, 6, url)
	p := d.serve(t, addr, c.Addr())
	faults := []string{d.hangs, d.readonly, d.full, d.slow}
	met, kills := 0, 0
	for end := time.Now().Add(howLong(t, normal)); time.Now().Before(end); met++ {
		awaitDeletions(t, direct, 1+rand.IntN(12))
		fault := faults[rand.IntN(len(faults))]
		if err := os.WriteFile(fault, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond) // that is how long it lasts
		killed := rand.IntN(4) == 0
		if killed {
			p.kill(t)
			kills++
		}
		if err := os.Remove(fault); err != nil {
			t.Fatal(err)
		}
		if killed {
			p = d.serve(t, addr, c.Addr())
		}
	}
	load.stop()
	rows := compare(t, direct, url, d.dir)
	t.Logf("the disk failed %d times, and the proxy was killed %d times; %d rows deleted, every one in one committed entry", met, kills, rows)
}

// While the disk hangs, deletions wait, and nothing else does. A proxy that is killed
// then has let nothing through.
func TestDisk_Hangs(t *testing.T) {
	ctx := context.Background()
	c := pgtest.Shared(t)
	database := pgtest.Database(t, tables)
	d, addr := newDisk(t), freeAddr(t)
	url, direct := through(addr, database), c.URL(database)
	p := d.serve(t, addr, c.Addr())
	conn, other := connect(t, url), connect(t, url)
	defer other.Close(ctx)
	for _, killed := range []bool{false, true} {
		before := len(query[int](t, direct, "SELECT 1 FROM deleted_log"))
		if err := os.WriteFile(d.hangs, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			_, err := conn.Exec(ctx, "DELETE FROM parents WHERE id = (SELECT min(id) FROM parents)")
			done <- err
		}()
		// It has run, and its transaction waits for what the proxy does.
		for deadline := time.Now().Add(pollTime); len(query[int](t, direct, `SELECT 1 FROM pg_stat_activity
			WHERE datname = current_database() AND backend_xid IS NOT NULL AND wait_event = 'ClientRead'`)) == 0; pause(ctx) {
			if time.Now().After(deadline) {
				t.Fatal("no DELETE waits for its commit")
			}
		}
		for _, sql := range []string{"SELECT 1", "UPDATE parents SET a = 'y' WHERE id = 1000"} {
			if _, err := other.Exec(ctx, sql); err != nil {
				t.Errorf("%s: %v", sql, err)
			}
		}
		select {
		case err := <-done:
			t.Errorf("the DELETE did not wait: %v", err)
		default:
		}
		if killed {
			p.kill(t)
		}
		if err := os.Remove(d.hangs); err != nil {
			t.Fatal(err)
		}
		if err := <-done; (err == nil) == killed {
			t.Errorf("the DELETE ends with %v", err)
		}
		awaitQuiet(t, direct)
		want := before + 3
		if killed {
			want = before
		}
		if gone := len(query[int](t, direct, "SELECT 1 FROM deleted_log")); gone != want {
			t.Errorf("%d rows are gone, want %d", gone, want)
		}
	}
	d.serve(t, addr, c.Addr())
	compare(t, direct, url, d.dir)
}

// On a disk that has become read-only deletions are refused, and nothing else; when it
// can be written again they work.
func TestDisk_ReadOnly(t *testing.T) {
	c := pgtest.Shared(t)
	database := pgtest.Database(t, tables)
	d, addr := newDisk(t), freeAddr(t)
	url, direct := through(addr, database), c.URL(database)
	d.serve(t, addr, c.Addr())
	if s := state(t, url, "DELETE FROM parents WHERE id = 1"); s != "" {
		t.Fatal(s)
	}
	if err := os.WriteFile(d.readonly, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if s := state(t, url, "DELETE FROM parents WHERE id = 2"); s != "RB002" {
			t.Errorf("DELETE: SQLSTATE %q", s)
		}
	}
	if s := state(t, url, "UPDATE parents SET a = 'y' WHERE id = 2"); s != "" {
		t.Errorf("UPDATE: SQLSTATE %q", s)
	}
	if gone := len(query[int](t, direct, "SELECT 1 FROM deleted_log")); gone != 3 {
		t.Errorf("%d rows are gone, want the 3 with evidence", gone)
	}
	if err := os.Remove(d.readonly); err != nil {
		t.Fatal(err)
	}
	if s := state(t, url, "DELETE FROM parents WHERE id = 2"); s != "" {
		t.Errorf("DELETE with the disk back: SQLSTATE %q", s)
	}
	if rows := compare(t, direct, url, d.dir); rows != 6 {
		t.Errorf("%d rows, want 6", rows)
	}
	j, err := journal.Open(t.Context(), d.dir, journal.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if n := len(entries(t, j, journal.Filter{Outcome: journal.Committed})); n != 2 {
		t.Errorf("%d committed entries, want 2", n)
	}
}
