package journal

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestImage_Fields(t *testing.T) {
	whole := []byte{0, 0, 0, 3, 0, 0, 0, 23, 0, 0, 0, 4, 0, 0, 0, 7, 0, 0, 0, 25, 255, 255, 255, 255, 0, 0, 0, 25, 0, 0, 0, 0}
	got, err := Image{Data: whole}.Fields()
	if want := []Field{{23, []byte{0, 0, 0, 7}}, {25, nil}, {25, []byte{}}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for n := range whole {
		if _, err := (Image{Data: whole[:n]}).Fields(); err == nil {
			t.Errorf("%d bytes were taken", n)
		}
	}
	if _, err := (Image{Data: append(whole, 0)}).Fields(); err == nil {
		t.Error("a byte too many was taken")
	}
}

func FuzzImage_Fields(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 23, 0, 0, 0, 1, 7})
	f.Fuzz(func(t *testing.T, data []byte) {
		fields, err := Image{Data: data}.Fields()
		if err != nil {
			return
		}
		again := binary.BigEndian.AppendUint32(nil, uint32(len(fields)))
		for _, x := range fields {
			again = binary.BigEndian.AppendUint32(again, x.OID)
			length := uint32(len(x.Value))
			if x.Value == nil {
				length = 0xffffffff
			}
			again = append(binary.BigEndian.AppendUint32(again, length), x.Value...)
		}
		if len(again) != len(data) { // a negative length is NULL, whichever it is
			t.Fatalf("%x became %x", data, again)
		}
	})
}

func TestParseKey(t *testing.T) {
	key := []byte("0123456789abcdef0123456789abcdef")
	for _, text := range []string{hex.EncodeToString(key) + "\n", base64.StdEncoding.EncodeToString(key), base64.RawURLEncoding.EncodeToString(key)} {
		if got, err := ParseKey(text); err != nil || !bytes.Equal(got, key) {
			t.Errorf("%q: %x, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "secret-and-short", hex.EncodeToString(key[1:])} {
		if _, err := ParseKey(text); err == nil || text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKey(file); err == nil || !strings.Contains(err.Error(), file) || strings.Contains(err.Error(), "nonsense") {
		t.Error(err)
	}
}

// imaged is a journal with one entry of several blocks of images.
func imaged(t *testing.T, key []byte) (dir string, e *Entry) {
	t.Helper()
	dir = t.TempDir()
	j := openAt(t, dir, Options{Key: key})
	k := j.Gather(t.TempDir())
	defer k.Close()
	for i := range 5 {
		if err := k.AddImage(Image{Data: bytes.Repeat([]byte{byte(i)}, 200_000)}); err != nil {
			t.Fatal(err)
		}
	}
	e = plainEntry()
	e.Tables[0].Rows, e.Tables[0].RowsCaptured = 5, true
	if err := j.Append(t.Context(), e, k); err != nil {
		t.Fatal(err)
	}
	return dir, e
}

// What is lost or changed of images is an error, never fewer of them.
func TestImages_DamageIsAnError(t *testing.T) {
	for _, key := range [][]byte{nil, bytes.Repeat([]byte{9}, KeySize)} {
		for _, damage := range []string{
			"DELETE FROM image WHERE no = 0", "DELETE FROM image WHERE no = 3", "DELETE FROM image_set", "DELETE FROM image",
			"UPDATE image SET data = substr(data, 1, length(data) - 1) WHERE no = 1",
			"UPDATE image SET data = CAST(substr(data, 1, 40) || x'ff' || substr(data, 42) AS BLOB) WHERE no = 1",
			"UPDATE image_set SET rows = 4", "UPDATE image_set SET rows = 6", "UPDATE image_set SET blocks = 3",
			"UPDATE image SET no = no + 10; UPDATE image SET no = CASE no WHEN 10 THEN 1 WHEN 11 THEN 0 ELSE no - 10 END",
		} {
			dir, e := imaged(t, key)
			if err := execIn(dir, damage); err != nil {
				t.Fatal(err)
			}
			j := openAt(t, dir, Options{Key: key})
			var err error
			n := 0
			for _, err = range j.Images(t.Context(), e.ID) {
				n++
			}
			swapped := key == nil && strings.Contains(damage, "no + 10") // nothing but a seal tells their order
			if !errors.Is(err, ErrDamaged) && !swapped {
				t.Errorf("key %v, %s: %d images, %v", key != nil, damage, n, err)
			}
		}
	}
}

// Sealed images are bound to their entry.
func TestImages_SealedSetOfAnotherEntry(t *testing.T) {
	key := bytes.Repeat([]byte{9}, KeySize)
	dir, e := imaged(t, key)
	// With a body without its sum, as of before.
	if err := execIn(dir, fmt.Sprintf("UPDATE entry SET id = replace(id, '%s', '%s'), body = CAST(replace('{' || substr(body, 22), '%[1]s', '%[2]s') AS BLOB)", e.ID, "01KG9YS7KV4X2GB5HJ32FWSZZR")); err != nil {
		t.Fatal(err)
	}
	j := openAt(t, dir, Options{Key: key})
	for _, err := range j.Images(t.Context(), "01KG9YS7KV4X2GB5HJ32FWSZZR") {
		if !errors.Is(err, ErrDamaged) {
			t.Error(err)
		}
		return
	}
	t.Error("no error")
}

func TestOpen_KeyOfAnotherLength(t *testing.T) {
	if _, err := Open(t.Context(), t.TempDir(), Options{Key: []byte("short")}); err == nil {
		t.Error("taken")
	}
}
