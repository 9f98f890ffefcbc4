package journal

import (
	"errors"
	"fmt"
	"testing"
)

// One key and one image: what is small has its check sum, too.
func TestRows_ChangedByteIsAnError(t *testing.T) {
	for table, read := range map[string]func(*embedded, string) error{
		"block": func(j *embedded, id string) (last error) {
			for _, last = range j.Rows(t.Context(), id) {
			}
			return last
		},
		"image": func(j *embedded, id string) (last error) {
			for _, last = range j.Images(t.Context(), id) {
			}
			return last
		},
	} {
		t.Run(table, func(t *testing.T) {
			j := openAt(t, t.TempDir(), Options{})
			e := plainEntry()
			e.Tables[0].KeysCaptured, e.Tables[0].RowsCaptured = true, true
			k := j.Gather("")
			defer k.Close()
			if err := errors.Join(k.Add(Row{Values: []*string{text("42")}}), k.AddImage(Image{Data: []byte("a row that costs 1000")}), j.Append(t.Context(), e, k)); err != nil {
				t.Fatal(err)
			}
			if err := read(j, e.ID); err != nil {
				t.Fatal(err)
			}
			if _, err := j.store.Load().write.ExecContext(t.Context(), "UPDATE "+table+" SET data = CAST(substr(data, 1, length(data) - 1) || '3' AS BLOB)"); err != nil {
				t.Fatal(err)
			}
			if err := read(j, e.ID); !IsDamage(err) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRows_DamageIsAnError(t *testing.T) {
	// '{' || substr(body, 22) is a body without its sum.
	for name, damage := range map[string]string{
		"block missing":  "DELETE FROM block WHERE no = 1",
		"bytes changed":  "UPDATE block SET data = CAST(substr(data, 1, 100) || x'00' || substr(data, 102) AS BLOB) WHERE no = 1",
		"block emptied":  "UPDATE block SET data = x'' WHERE no = 1",
		"codec unknown":  "UPDATE block SET data = CAST(x'09' || substr(data, 2) AS BLOB) WHERE no = 1",
		"block repeated": "UPDATE block SET data = (SELECT data FROM block WHERE no = 0) WHERE no = 2",
		"table unknown":  "UPDATE entry SET body = CAST(replace('{' || substr(body, 22), '\"tables\":[', '\"tables\":[],\"x\":[') AS BLOB)",
	} {
		t.Run(name, func(t *testing.T) {
			j := openAt(t, t.TempDir(), Options{})
			e := plainEntry()
			k := NewKeys("")
			defer k.Close()
			for i := range 20_000 { // three blocks
				if err := k.Add(Row{Values: []*string{text(fmt.Sprint(i * 7919))}}); err != nil {
					t.Fatal(err)
				}
			}
			if err := j.Append(t.Context(), e, k); err != nil {
				t.Fatal(err)
			}
			if _, err := j.store.Load().write.ExecContext(t.Context(), damage); err != nil {
				t.Fatal(err)
			}
			var last error
			for _, err := range j.Rows(t.Context(), e.ID) {
				last = err
			}
			if last == nil {
				t.Error("went unnoticed")
			}
		})
	}
}
