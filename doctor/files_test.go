package doctor

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/journal/journals"
)

// written makes a journal with these entries in o's directory.
func written(t *testing.T, o Options, entries ...journal.Entry) {
	t.Helper()
	j, err := journal.Open(t.Context(), o.Journal, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		e.Time = time.Now()
		e.ID, e.Kind = journal.NewID(e.Time), cmp.Or(e.Kind, journal.Deletion)
		if err := j.Append(t.Context(), &e, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestJournal_MendOfWhatCannotBeWritten(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.ENOSPC: makeRoom, syscall.EDQUOT: makeRoom, syscall.EROFS: "mount it for writing, or name another directory with --journal", syscall.EACCES: asProxy,
	} {
		if got := unwritten(&os.PathError{Op: "write", Path: "j", Err: errno}); got != want {
			t.Errorf("%v: %s", errno, got)
		}
	}
}

func TestJournal_IsNotThereYet(t *testing.T) {
	o := configured(t)
	look(t, o).expect(t, "journal", OK, "is not there yet")
	if _, err := os.Stat(o.Journal); err == nil {
		t.Error("the doctor made it")
	}
}

func TestJournal_HoldsEntriesInDoubt(t *testing.T) {
	o := configured(t)
	written(t, o, journal.Entry{Database: "shop", Outcome: journal.InDoubt, Rows: 7}, journal.Entry{Database: "shop", Outcome: journal.Committed})
	r := look(t, o)
	r.expect(t, "journal", OK, "newest entry of 20")
	r.expect(t, "journal", Warn, "database shop, 7 rows")
	written(t, o, journal.Entry{Kind: journal.Restore, Database: "shop", Outcome: journal.Committed})
	look(t, o).expect(t, "journal", OK, " UTC, a restore")
}

func TestJournal_CannotBeUsed(t *testing.T) {
	o := configured(t)
	written(t, o)
	if err := os.WriteFile(filepath.Join(o.Journal, "journal.db"), []byte("this is no SQLite database, but long enough to be taken for one ....................................................."), 0o600); err != nil {
		t.Fatal(err)
	}
	look(t, o).expect(t, "journal", Fail, "")

	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o.Journal = file
	look(t, o).expect(t, "journal", Fail, "is a file")
	o.Journal = file + "/below"
	look(t, o).expect(t, "journal", Fail, "")
	o.Journal = "/proc/rowback-journal" // not even root may
	look(t, o).expect(t, "journal", Fail, "cannot make it")
	o.Journal = "/proc/self" // is there, and takes no files
	look(t, o).expect(t, "journal", Fail, "cannot be written")
}

func TestJournal_IsOpenToOthers(t *testing.T) {
	o := configured(t)
	written(t, o)
	if err := os.Chmod(o.Journal, 0o755); err != nil {
		t.Fatal(err)
	}
	look(t, o).expect(t, "journal", Warn, "others may look into")
}

func TestJournal_DiskIsNearlyFull(t *testing.T) {
	o := configured(t)
	o.LeastFree = 1 << 60
	look(t, o).expect(t, "journal disk", Fail, "free")
}

// certificate writes one of this span, and its key.
func certificate(t *testing.T, from, until time.Time) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "crt"), filepath.Join(dir, "key")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestTLS(t *testing.T) {
	now := time.Now()
	day := 24 * time.Hour
	o := configured(t)
	for _, c := range []struct {
		from, until time.Duration
		status      Status
		says        string
	}{
		{-day, 100 * day, OK, "is good until"},
		{-day, 10 * day, Warn, "ends"},
		{-2 * day, -day, Fail, "ended"},
		{day, 100 * day, Fail, "begins"},
	} {
		o.TLSCert, o.TLSKey = certificate(t, now.Add(c.from), now.Add(c.until))
		look(t, o).expect(t, "TLS", c.status, c.says)
	}
	o.TLSCert, o.TLSKey = certificate(t, now.Add(-day), now.Add(100*day))
	if err := os.Chmod(o.TLSKey, 0o644); err != nil {
		t.Fatal(err)
	}
	look(t, o).expect(t, "TLS", Warn, "anybody on this host may read the key")
	o.TLSClientCA, _ = certificate(t, now.Add(-2*day), now.Add(-day))
	look(t, o).expect(t, "TLS", Fail, o.TLSClientCA+" ended")
	_, o.TLSKey = certificate(t, now, now.Add(day))
	look(t, o).expect(t, "TLS", Fail, "cannot load")
}

// A shared journal: its server has to keep what it confirms.
func TestJournal_Shared(t *testing.T) {
	o, c := healthy(t), pgtest.Shared(t) // fsync is off there
	o.Journal = c.URL(pgtest.Database(t))
	r := look(t, o)
	r.expect(t, "journal server", Fail, "fsync is off")
	r.expect(t, "journal server", Warn, "production's own")
	o.Journal = "postgres://u:SECRET@127.0.0.1:1/db"
	r = look(t, o)
	r.expect(t, "journal", Fail, "127.0.0.1:1/db cannot be reached")
	for _, c := range r.Checks {
		if strings.Contains(c.Seen, "SECRET") {
			t.Error("a password is shown")
		}
	}

	durable, err := pgtest.Start(t.Context(), pgtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer durable.Stop()
	o.Journal = durable.URL("postgres")
	r = look(t, o)
	r.expect(t, "journal server", OK, "durable, without a standby")
	r.expect(t, "journal", OK, "the proxy begins one")
	pgtest.Exec(t, o.Journal, "CREATE ROLE low LOGIN")
	o.Journal = durable.UserURL("low", "", "postgres")
	look(t, o).expect(t, "journal", Fail, "may not make schema rowback_journal")
	o.Journal = durable.UserURL("nobody", "", "postgres")
	look(t, o).expect(t, "journal", Fail, "does not let this role in; mend user and password")
	o.Journal = durable.URL("postgres")
	j, err := journals.Open(t.Context(), o.Journal, journal.Options{Proxy: "p1"})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	r = look(t, o)
	r.expect(t, "journal server", OK, "1 proxy has it open")
	r.expect(t, "journal", OK, "no entries yet")

	alone, err := pgtest.Start(t.Context(), pgtest.Options{Settings: []string{"synchronous_standby_names=away"}})
	if err != nil {
		t.Fatal(err)
	}
	defer alone.Stop()
	o.Journal = alone.URL("postgres")
	look(t, o).expect(t, "journal server", Fail, "synchronous standby (away), and none is connected")
}
