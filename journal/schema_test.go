package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// version1 is the directory of a journal as the first version wrote it: two
// entries of three rows, the older one committed.
func version1(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	dump, err := os.ReadFile(filepath.Join("testdata", "version1.sql"))
	if err == nil {
		err = execIn(dir, string(dump))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func checkVersion1Entries(t *testing.T, j Journal) {
	t.Helper()
	var got []string
	for e, err := range j.Entries(t.Context(), Filter{Table: "orders"}) {
		if err != nil {
			t.Fatal(err)
		}
		rows := 0
		for _, err := range j.Rows(t.Context(), e.ID) {
			if err != nil {
				t.Fatal(err)
			}
			rows++
		}
		got = append(got, fmt.Sprint(e.ID, e.Outcome, rows))
	}
	want := "[01KG9YS8K3152EXTW1A1J4A8YJin_doubt3 01KG9YS7KV4X2GB5HJ32FWSZZRcommitted3]"
	if fmt.Sprint(got) != want {
		t.Errorf("entries %v, want %v", got, want)
	}
}

func TestOpen_Version1IsMigrated(t *testing.T) {
	dir := version1(t)
	a := plainAllowance()
	for range 2 { // once brought up, and once more as it then is
		j := openAt(t, dir, Options{})
		checkVersion1Entries(t, j)
		err := j.Grant(t.Context(), a)
		if err != nil && !errors.Is(err, ErrExists) {
			t.Error(err)
		}
		if err := j.Use(t.Context(), a.ID, "u", 10, a.Time); err != nil {
			t.Error(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A proxy of version 1 that runs on beside newer tools writes its version back
// with every Ping. What was granted stays.
func TestOpen_OldProxyPutsVersion1Back(t *testing.T) {
	dir := version1(t)
	j := openAt(t, dir, Options{})
	if err := j.Grant(t.Context(), plainAllowance()); err != nil {
		t.Fatal(err)
	}
	if err := execIn(dir, "PRAGMA user_version = 1"); err != nil {
		t.Fatal(err)
	}
	again := openAt(t, dir, Options{})
	if all, err := again.Allowances(t.Context(), time.Time{}); err != nil || len(all) != 1 {
		t.Errorf("%d allowances, %v", len(all), err)
	}
}

// Nor does this one put its own version in the place of a newer one.
func TestPing_KeepsANewerVersion(t *testing.T) {
	dir := t.TempDir()
	j := openAt(t, dir, Options{})
	if err := execIn(dir, "PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	if err := j.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, ErrNewer) {
		t.Errorf("after Ping: %v", err)
	}
}

// Who may only read cannot migrate, and reads what there is.
func TestReader_Version1(t *testing.T) {
	j := reader(t, version1(t))
	checkVersion1Entries(t, j)
	if all, err := j.Allowances(t.Context(), time.Time{}); err != nil || len(all) != 0 {
		t.Errorf("allowances: %v, %v", all, err)
	}
	for i, err := range j.Images(t.Context(), "01KG9YS7KV4X2GB5HJ32FWSZZR") {
		t.Errorf("an image: %v, %v", i, err)
	}
	if all, err := j.Holds(t.Context(), ""); err != nil || len(all) != 0 {
		t.Errorf("holds: %v, %v", all, err)
	}
	if _, err := j.HoldByID(t.Context(), "01"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a hold: %v", err)
	}
}

// What only reads leaves the format as it is: the proxy that wrote it may start again.
func TestOpen_ReaderRaisesNothing(t *testing.T) {
	dir := version1(t)
	format := func(open Options, want int) *embedded {
		t.Helper()
		j := openAt(t, dir, open)
		got, err := schemaVersion(t.Context(), j.store.Load().write, dir)
		if err != nil || got != want {
			t.Errorf("format %d, %v, want %d", got, err, want)
		}
		return j
	}
	j := format(Options{Reader: true, MustExist: true}, 1)
	checkVersion1Entries(t, j)
	if err := j.Ping(t.Context()); err != nil {
		t.Errorf("Ping: %v", err)
	}
	if err := j.Append(t.Context(), plainEntry(), nil); err == nil {
		t.Error("a reader has written to it")
	}
	format(Options{Reader: true}, 1)
	format(Options{}, len(migrations))
	if err := format(Options{Reader: true}, len(migrations)).Append(t.Context(), plainEntry(), nil); err != nil {
		t.Error(err)
	}
}
