package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/journal/journals"
	"github.com/rowback/rowback/journal/pgjournal"
)

// asProxy is the mend of a journal's permissions.
const asProxy = "run this as the user that the proxy runs as; that user must own the directory"

// makeRoom is the mend of a full disk.
const makeRoom = "make room: with the disk full, every DELETE is refused with RB002"

// journal: evidence can be kept, there is room for it, and what it holds is settled.
func (e *examination) journal(ctx context.Context) {
	key, usable := e.journalKey()
	shared := pgjournal.IsURL(e.o.Journal)
	if shared && !e.sharedJournal(ctx) || !shared && !e.journalDirectory() {
		return
	}
	j, err := journals.Open(ctx, e.o.Journal, journal.Options{MustExist: true, Reader: true, Key: key})
	switch {
	case errors.Is(err, journal.ErrNoJournal) && shared && !e.journalServer.MayBegin:
		e.fail("journal", "grant the role CREATE on the database once, or make it its owner", "%s holds none yet, and this role may not make schema %s there", journals.Name(e.o.Journal), pgjournal.Schema)
		return
	case errors.Is(err, journal.ErrNoJournal):
		e.ok("journal", "%s holds none yet; the proxy begins one", journals.Name(e.o.Journal))
		return
	case err != nil:
		e.fail("journal", "", "%v", err) // its errors name the mend
		return
	}
	defer j.Close()
	if err := j.Ping(ctx); err != nil {
		e.fail("journal", "until then every DELETE is refused with RB002", "cannot be written: %v", err)
		return
	}
	if imaged, ok := e.journalEntries(ctx, j); ok && usable {
		e.images(ctx, j, key, imaged)
	}
}

// journalDirectory reports whether there is a journal to open.
func (e *examination) journalDirectory() bool {
	dir := e.o.Journal
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return e.journalToBe()
	}
	if err != nil {
		e.fail("journal", asProxy, "%v", err)
		return false
	}
	if !info.IsDir() {
		e.fail("journal", "name a directory with --journal", "%s is a file", dir)
		return false
	}
	if err := writable(dir); err != nil {
		e.fail("journal", unwritten(err), "%s, which belongs to %s, cannot be written: %v", dir, owner(info), err)
		return false
	}
	if !ownFile(dir) {
		e.warn("journal", asProxy, "%s belongs to %s, and this is not that user: whether the proxy may write it is not known", dir, owner(info))
	}
	if info.Mode().Perm()&0o077 != 0 {
		e.warn("journal", fmt.Sprintf("chmod 700 %s", dir), "others may look into %s, which holds keys of rows and texts of statements (mode %04o)", dir, info.Mode().Perm())
	}
	e.room(dir)
	return true
}

// journalToBe: the proxy will make the directory.
func (e *examination) journalToBe() bool {
	abs, err := filepath.Abs(e.o.Journal)
	if err != nil {
		e.fail("journal", asProxy, "%v", err)
		return false
	}
	parent := filepath.Dir(abs)
	for { // the proxy makes missing parents, too
		if _, err := os.Stat(parent); !errors.Is(err, fs.ErrNotExist) || parent == filepath.Dir(parent) {
			break
		}
		parent = filepath.Dir(parent)
	}
	if err := writable(parent); err != nil {
		e.fail("journal", "make the directory, owned by the user that the proxy runs as", "%s is not there, and the proxy cannot make it: %v", e.o.Journal, err)
		return false
	}
	e.ok("journal", "%s is not there yet; the proxy makes it", e.o.Journal)
	e.room(parent)
	return false
}

// unwritten is the mend where a directory cannot be written.
func unwritten(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return makeRoom
	case errors.Is(err, syscall.EROFS):
		return "mount it for writing, or name another directory with --journal"
	}
	return asProxy
}

// writable proves it with a file, synced, and removes it again.
func writable(dir string) (err error) {
	f, err := os.CreateTemp(dir, ".rowback-doctor-")
	if err != nil {
		return err
	}
	_, err = f.WriteString("x")
	return errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name()))
}

// ownFile: path is this user's. What root makes in another's directory that
// other may not be able to open.
func ownFile(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}

func owner(info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "somebody"
	}
	if u, err := user.LookupId(strconv.Itoa(int(st.Uid))); err == nil {
		return u.Username
	}
	return "user " + strconv.Itoa(int(st.Uid))
}

// room: the disk has space. A full one stops every DELETE.
func (e *examination) room(dir string) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		e.warn("journal disk", "", "free space is not known: %v", err)
		return
	}
	free := uint64(st.Bavail) * uint64(st.Bsize)
	switch {
	case free < e.o.LeastFree/16:
		e.fail("journal disk", makeRoom, "%s free", bytesOf(free))
	case free < e.o.LeastFree:
		e.warn("journal disk", makeRoom, "%s free", bytesOf(free))
	default:
		e.ok("journal disk", "%s free", bytesOf(free))
	}
}

func bytesOf(n uint64) string {
	for _, u := range []struct {
		size uint64
		name string
	}{{1 << 40, "TiB"}, {1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= u.size {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.size), u.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}

// journalEntries looks at the newest entries; imaged is the first of them that has
// images of rows, ok that they could be read.
func (e *examination) journalEntries(ctx context.Context, j journal.Journal) (imaged *journal.Entry, ok bool) {
	const newest = 100 // say which databases a proxy guards now
	last, n := "no entries yet", 0
	for entry, err := range j.Entries(ctx, journal.Filter{}) {
		if err != nil {
			e.fail("journal", "", "%v", err)
			return nil, false
		}
		last = "newest entry of " + entry.Time.Format(time.DateTime) + " UTC"
		if entry.Kind != journal.Deletion {
			last += fmt.Sprintf(", a %s", entry.Kind)
		}
		break
	}
	for entry, err := range j.Entries(ctx, journal.Filter{Kind: journal.Deletion}) {
		if err != nil {
			e.fail("journal", "", "%v", err)
			return nil, false
		}
		if imaged == nil && slices.ContainsFunc(entry.Tables, func(t journal.Table) bool { return t.RowsCaptured }) {
			imaged = entry
		}
		n++
		if !slices.Contains(e.seenDatabases, entry.Database) {
			e.seenDatabases = append(e.seenDatabases, entry.Database)
		}
		if n == newest {
			break
		}
	}
	e.ok("journal", "%s, %s", journals.Name(e.o.Journal), last)
	var doubt []string
	for entry, err := range j.Entries(ctx, journal.Filter{Outcome: journal.InDoubt}) {
		if err != nil {
			e.fail("journal", "", "%v", err)
			return nil, false
		}
		doubt = append(doubt, fmt.Sprintf("%s, %s UTC, database %s, %d rows", entry.ID, entry.Time.Format(time.DateTime), entry.Database, entry.Rows))
	}
	if len(doubt) > 0 {
		e.add(Check{Name: "journal", Status: Warn, List: doubt,
			Seen: fmt.Sprintf("%d in doubt: nobody has seen yet whether their transactions committed", len(doubt)),
			Mend: "they settle when a client next deletes in their database through the proxy, or at once with credentials in upstream"})
	}
	return imaged, true
}
