package main

import (
	"slices"

	"github.com/rowback/rowback/journal"
)

// visit is a restore of a deletion into another database than the one it was in, or, by
// the system identifier, on another server: a rehearsal on a copy, which left the deletion
// as it was.
type visit struct {
	ID            string `json:"id"`
	Database      string `json:"database"`
	AnotherServer bool   `json:"another_server"`
	Rows          int64  `json:"rows"`  // all that it has, of other deletions, too
	Links         int64  `json:"links"` // likewise
	shared        bool   // it was of other deletions, too
}

func anotherServer(e, x *journal.Entry) bool {
	return e.Server.SystemID != "" && x.Server.SystemID != "" && e.Server.SystemID != x.Server.SystemID
}

func elsewhere(e, x *journal.Entry) bool { return e.Database != x.Database || anotherServer(e, x) }

// direct are the restores, or undos, of e where e was, oldest first.
func (a *aftermath) direct(e *journal.Entry) []*journal.Entry {
	return slices.DeleteFunc(slices.Clone(a.of[e.ID]), func(x *journal.Entry) bool { return elsewhere(e, x) })
}

// visits are the others, oldest first.
func (a *aftermath) visits(e *journal.Entry) (out []visit) {
	if e.Kind != journal.Deletion || !restorable(e) {
		return nil
	}
	for _, x := range a.of[e.ID] {
		if elsewhere(e, x) {
			_, rows := numbers(x, false)
			_, links := numbers(x, true)
			out = append(out, visit{x.ID, x.Database, anotherServer(e, x), rows, links, len(x.Restores) > 1})
		}
	}
	return out
}

// into says where it was, in contrast to where e was.
func (v visit) into(e *journal.Entry) string {
	text := "into " + oneLine(v.Database, 0)
	if v.AnotherServer {
		return text + " on another server"
	}
	return text + ", not " + oneLine(e.Database, 0)
}

// text says what it did, for people.
func (v visit) text(e *journal.Entry) string {
	d := &deed{ID: v.ID, Rows: v.Rows, Links: v.Links, unsure: v.shared}
	return d.text(e.Kind) + ", " + v.into(e)
}
