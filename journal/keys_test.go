package journal

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func text(s string) *string { return &s }

func rowsOf(t *testing.T, k *Keys) []Row {
	t.Helper()
	var out []Row
	for r, err := range k.Rows() {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// Random adds, marks and rewinds against a plain slice, across blocks and the
// border between memory and file.
func TestKeys_Model(t *testing.T) {
	for seed := range uint64(12) {
		random := rand.New(rand.NewPCG(seed, 1))
		k := NewKeys(t.TempDir())
		var model []Row
		type saved struct {
			mark Mark
			rows int
		}
		var marks []saved
		most := []int{20, 3_000, 30_000}[seed%3]
		for range 400 {
			switch op := random.IntN(10); {
			case op < 6:
				for range random.IntN(20) {
					r := randomRow(random, most)
					if err := k.Add(r); err != nil {
						t.Fatal(err)
					}
					model = append(model, r)
				}
			case op < 8:
				marks = append(marks, saved{k.Mark(), len(model)})
			case len(marks) > 0:
				n := random.IntN(len(marks))
				if err := k.Rewind(marks[n].mark); err != nil {
					t.Fatal(err)
				}
				model, marks = model[:marks[n].rows], marks[:n+1]
			}
			if k.Len() != int64(len(model)) {
				t.Fatalf("seed %d: %d rows, want %d", seed, k.Len(), len(model))
			}
		}
		if got := rowsOf(t, k); len(got) != len(model) || (len(got) > 0 && !reflect.DeepEqual(got, model)) {
			t.Fatalf("seed %d: the rows differ from the model's %d", seed, len(model))
		}
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func randomRow(random *rand.Rand, most int) Row {
	r := Row{Table: random.IntN(5), Values: make([]*string, random.IntN(4))}
	for i := range r.Values {
		if random.IntN(5) == 0 {
			continue
		}
		// Incompressible, so that it reaches the file.
		b := make([]byte, 0, most+8)
		for size := random.IntN(most); len(b) < size; {
			b = binary.LittleEndian.AppendUint64(b, random.Uint64())
		}
		r.Values[i] = text(string(b))
	}
	return r
}

func TestKeys_SpillLeavesNoFileBehind(t *testing.T) {
	dir := t.TempDir()
	k := NewKeys(dir)
	random := rand.New(rand.NewPCG(1, 1))
	for k.store.file == nil {
		if err := k.Add(randomRow(random, 100_000)); err != nil {
			t.Fatal(err)
		}
	}
	if names, _ := os.ReadDir(dir); len(names) > 0 {
		t.Errorf("%v in the directory while in use", names)
	}
	if k.store.memory != nil {
		t.Error("the blocks are in memory and in the file")
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestKeys_SpillFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "missing")
	k := NewKeys(dir)
	defer k.Close()
	random := rand.New(rand.NewPCG(1, 1))
	var err error
	added := int64(0)
	for err == nil {
		if err = k.Add(randomRow(random, 100_000)); err == nil {
			added++
		}
	}
	if k.Len() != added || int64(len(rowsOf(t, k))) != added {
		t.Errorf("%d rows after the error, %d were taken", k.Len(), added)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := k.Add(Row{}); err != nil {
		t.Errorf("with the directory there: %v", err)
	}
	if int64(len(rowsOf(t, k))) != added+1 {
		t.Error("rows were lost on the way to the file")
	}
}

func TestKeys_RewindRefusesForgottenMark(t *testing.T) {
	k, other := NewKeys(""), NewKeys("")
	start := k.Mark()
	for range 3 {
		if err := k.Add(Row{Table: 7}); err != nil {
			t.Fatal(err)
		}
	}
	later := k.Mark()
	if err := k.Rewind(start); err != nil {
		t.Fatal(err)
	}
	if err := k.Rewind(later); err == nil {
		t.Error("rewound to a mark that a rewind has forgotten")
	}
	if err := other.Rewind(start); err == nil {
		t.Error("rewound to a mark of other keys")
	}
	if k.highest != -1 {
		t.Errorf("highest table is %d after rewinding to the start", k.highest)
	}
}

func TestKeys_RefusesHugeRow(t *testing.T) {
	k := NewKeys("")
	if err := k.Add(Row{Values: []*string{text(strings.Repeat("x", maxRow))}}); err == nil {
		t.Error("a row over the limit was taken")
	}
	if k.Len() != 0 {
		t.Error("it is held")
	}
}

func FuzzReadRow(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(appendRow(nil, Row{Table: 3, Values: []*string{text("42"), nil, text("")}}))
	f.Add([]byte{0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Add([]byte{0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		for r, err := range rawRows(data) {
			if err != nil {
				return
			}
			again, n := readRow(string(appendRow(nil, r)))
			if n == 0 || !reflect.DeepEqual(again, r) {
				t.Fatalf("%+v reads back as %+v", r, again)
			}
		}
	})
}

func BenchmarkKeysAdd(b *testing.B) {
	k := NewKeys(b.TempDir())
	defer k.Close()
	values := make([]*string, 1)
	numbers := make([]string, 1<<16)
	for i := range numbers {
		numbers[i] = fmt.Sprint(1_000_000 + i*7)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		values[0] = &numbers[i&(1<<16-1)]
		if err := k.Add(Row{Table: 1, Values: values}); err != nil {
			b.Fatal(err)
		}
	}
}

// full is a Room of so many bytes.
type full int64

func (f *full) Try(n int64) bool {
	if int64(*f) < n {
		return false
	}
	*f -= full(n)
	return true
}
func (f *full) Give(n int64) { *f += full(n) }

// What finds no room in memory is in a file, and what was taken is given back.
func TestKeys_SpillWhereThereIsNoRoom(t *testing.T) {
	const there = 200 << 10
	for name, room := range map[string]full{"none": 0, "some": there} {
		left := room
		k := NewKeys(t.TempDir())
		k.Within(&left)
		noise := make([]byte, 64<<10)
		for i := range 20 {
			for n := range noise {
				noise[n] = byte(rand.Uint32())
			}
			if err := k.AddImage(Image{Data: noise}); err != nil {
				t.Fatal(err)
			}
			text := fmt.Sprint(i, string(noise))
			if err := k.Add(Row{Values: []*string{&text}}); err != nil {
				t.Fatal(err)
			}
		}
		if got := rowsOf(t, k); len(got) != 20 || k.Images() != 20 {
			t.Errorf("%s: %d rows", name, len(got))
		}
		if (k.store.file == nil && k.images.store.file == nil) || left < 0 {
			t.Errorf("%s: nothing spilled, %d left", name, left)
		}
		if err := k.Close(); err != nil || left != room {
			t.Errorf("%s: %d of %d given back, %v", name, left, room, err)
		}
	}
}
