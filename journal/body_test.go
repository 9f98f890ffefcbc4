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

// What stands beside a body is checked, too: the ID, and the outcome.
func TestBody_WhatStandsBesideIt(t *testing.T) {
	e := plainEntry()
	body, _, err := EncodeEntry(e, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func() (*Entry, error){
		"another's ID": func() (*Entry, error) { return DecodeEntry(e.ID[1:]+"0", body, e.Outcome) },
		"an outcome":   func() (*Entry, error) { return DecodeEntry(e.ID, body, "commytted") },
	} {
		if got, err := read(); !IsDamage(err) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	one := func(string, ...any) ([]string, error) { return []string{"01A"}, nil }
	if got, err := lookup(AnEntry, "01B", func(s string) string { return s }, one); !IsDamage(err) {
		t.Errorf("an index that leads elsewhere: %s, %v", got, err)
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
