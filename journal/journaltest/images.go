package journaltest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/journal/journals"
	"github.com/rowback/rowback/journal/pgjournal"
)

// testImages gathers images of all sizes, with rewinds at random, and reads back
// what is left.
func testImages(t *testing.T, location NewLocation) {
	for _, key := range [][]byte{nil, bytes.Repeat([]byte{7}, journal.KeySize)} {
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 0))
		j := openWith(t, location(t), key)
		k := j.Gather(t.TempDir())
		defer k.Close()
		var want []journal.Image
		type at struct {
			mark journal.Mark
			n    int
		}
		var marks []at
		for range 300 {
			switch random.IntN(10) {
			case 0:
				marks = append(marks, at{k.Mark(), len(want)})
			case 1:
				if len(marks) > 0 {
					i := random.IntN(len(marks))
					if err := k.Rewind(marks[i].mark); err != nil {
						t.Fatalf("seed %d: %v", seed, err)
					}
					want, marks = want[:marks[i].n], marks[:i+1]
				}
			default:
				i := image(random, random.IntN(2), []int{0, 10, 1000, 100_000, 700_000}[random.IntN(5)])
				if err := k.AddImage(i); err != nil {
					t.Fatal(err)
				}
				want = append(want, i)
				if err := k.Add(number(len(want))); err != nil {
					t.Fatal(err)
				}
			}
		}
		if k.Images() != int64(len(want)) {
			t.Errorf("seed %d: %d images, want %d", seed, k.Images(), len(want))
		}
		e := entry(func(e *journal.Entry) { e.Tables = append(e.Tables, e.Tables[0]) })
		add(t, j, e, k)
		if err := checkImages(j, e.ID, t, want); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		other := entry(func(e *journal.Entry) { e.Tables[0].RowsCaptured = false })
		add(t, j, other, keys(t, 3))
		if err := checkImages(j, other.ID, t, nil); err != nil {
			t.Error(err)
		}
	}
}

func openWith(t *testing.T, location string, key []byte) journal.Journal {
	t.Helper()
	j, err := journals.Open(t.Context(), location, journal.Options{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

// image makes one that holds size bytes, some of which do not compress.
func image(random *rand.Rand, table, size int) journal.Image {
	data := make([]byte, size)
	for i := range data[:size/2] {
		data[i] = byte(random.Uint32())
	}
	return journal.Image{Table: table, Data: data}
}

func checkImages(j journal.Journal, id string, t *testing.T, want []journal.Image) error {
	n := 0
	for i, err := range j.Images(t.Context(), id) {
		if err != nil {
			return fmt.Errorf("after %d images: %w", n, err)
		}
		if n >= len(want) || i.Table != want[n].Table || !bytes.Equal(i.Data, want[n].Data) {
			return fmt.Errorf("image %d is another one", n)
		}
		n++
	}
	if n != len(want) {
		return fmt.Errorf("%d images, want %d", n, len(want))
	}
	return nil
}

// testImagesSealed: with a key nothing of an image is to be found in the
// journal's directory, nor in what is spilled; and without it, or with another,
// images are refused while keys are read.
func testImagesSealed(t *testing.T, location NewLocation) {
	secret := []byte("the quick brown fox jumps over the lazy dog 0123456789")
	key, other := bytes.Repeat([]byte{1}, journal.KeySize), bytes.Repeat([]byte{2}, journal.KeySize)
	for _, with := range [][]byte{nil, key} {
		where, spill := location(t), t.TempDir()
		j := openWith(t, where, with)
		k := j.Gather(spill)
		defer k.Close()
		if err := k.Add(number(1)); err != nil {
			t.Fatal(err)
		}
		if err := k.AddImage(journal.Image{Data: secret}); err != nil {
			t.Fatal(err)
		}
		e := entry(func(e *journal.Entry) { e.Rows, e.Tables[0].Rows, e.Tables[0].RowsCaptured = 1, 1, true })
		add(t, j, e, k)
		if err := checkImages(j, e.ID, t, []journal.Image{{Data: secret}}); err != nil {
			t.Error(err)
		}
		if found := holds(t, where, secret[4:30]); found != (with == nil) {
			t.Errorf("with key %v: found in the journal: %v", with != nil, found)
		}
		for _, reads := range [][]byte{nil, other} {
			again := openWith(t, where, reads)
			if err := checkNumbers(t.Context(), again, e.ID, 1); err != nil {
				t.Error(err)
			}
			if err := checkImages(again, e.ID, t, []journal.Image{{Data: secret}}); with != nil && !errors.Is(err, journal.ErrSealed) || with == nil && err != nil {
				t.Errorf("read with another key: %v", err)
			}
		}
	}
}

// holds: a file below dir, or a stored image, has the text in it.
func holds(t *testing.T, dir string, text []byte) (found bool) {
	t.Helper()
	if pgjournal.IsURL(dir) {
		return holdsImage(t, dir, text)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		found = found || bytes.Contains(data, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func holdsImage(t *testing.T, url string, text []byte) (found bool) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	if err := c.QueryRow(t.Context(), "SELECT bool_or(position($1 IN data) > 0) FROM "+pgjournal.Schema+".image", text).Scan(&found); err != nil {
		t.Fatal(err)
	}
	return found
}

// testImagesRefused: what was gathered for another journal, or for tables that the entry has not.
func testImagesRefused(t *testing.T, location NewLocation) {
	sealed, plain := openWith(t, location(t), bytes.Repeat([]byte{1}, journal.KeySize)), openWith(t, location(t), nil)
	for _, c := range []struct {
		from, to journal.Journal
		table    int
	}{{sealed, plain, 0}, {plain, sealed, 0}, {plain, plain, 1}} {
		k := c.from.Gather(t.TempDir())
		defer k.Close()
		if err := k.AddImage(journal.Image{Table: c.table, Data: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		e := entry(nil)
		if err := c.to.Append(t.Context(), e, k); err == nil {
			t.Errorf("%+v was taken", c)
		}
		if _, err := c.to.Entry(t.Context(), e.ID); !errors.Is(err, journal.ErrNotFound) {
			t.Errorf("of a refused entry there is something: %v", err)
		}
	}
}
