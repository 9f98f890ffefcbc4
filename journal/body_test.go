package journal

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

// A bit that changes is noticed, or changes nothing of what is read.
func TestBody_EveryBit(t *testing.T) {
	e, a, h := plainEntry(), plainAllowance(), plainHold()
	body, _, err := EncodeEntry(e, nil, nil)
	granted, err2 := EncodeAllowance(a)
	waiting, err3 := EncodeHold(h)
	if err != nil || err2 != nil || err3 != nil {
		t.Fatal(err, err2, err3)
	}
	for name, x := range map[string]struct {
		body []byte
		read func([]byte) (any, error)
	}{
		"entry":     {body, func(b []byte) (any, error) { return DecodeEntry(e.ID, b, e.Outcome) }},
		"allowance": {granted, func(b []byte) (any, error) { return DecodeAllowance(a.ID, b, []byte("[]")) }},
		"hold":      {waiting, func(b []byte) (any, error) { return DecodeHold(h.ID, b) }},
	} {
		want, err := x.read(x.body)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for bit := range 8 * len(x.body) {
			changed := bytes.Clone(x.body)
			changed[bit/8] ^= 1 << (bit % 8)
			if got, err := x.read(changed); err == nil && !reflect.DeepEqual(got, want) || err != nil && !IsDamage(err) {
				t.Errorf("%s: %s is read as %+v, %v", name, changed, got, err)
			}
		}
	}
}

// A body as versions of before wrote it has no sum, and is read; written anew it has one.
func TestBody_OfBefore(t *testing.T) {
	e := plainEntry()
	old, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	body, err := EncodePrepared(e.ID, old, Server{Timeline: 3})
	if err != nil || !bytes.HasPrefix(body, []byte(bodySum)) {
		t.Fatalf("%s, %v", body, err)
	}
	// Nor does one of before mind the sum.
	var read Entry
	if err := json.Unmarshal(body, &read); err != nil || read.ID != e.ID || read.Server.Timeline != 3 {
		t.Errorf("%+v, %v", read, err)
	}
}
