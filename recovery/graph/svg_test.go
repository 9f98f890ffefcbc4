package graph

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

func TestWriteSVG_ShowsEveryTableAndKey(t *testing.T) {
	g := build(t, shopSQL, Options{Incident: entry(journal.Committed), Tables: []string{"orders", "ledger"}, Depth: 9})
	var out bytes.Buffer
	if err := g.WriteSVG(&out); err != nil {
		t.Fatal(err)
	}
	paths, texts := map[string]int{}, map[string]bool{}
	for d := xml.NewDecoder(bytes.NewReader(out.Bytes())); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
		switch x := token.(type) {
		case xml.StartElement:
			for _, a := range x.Attr {
				if x.Name.Local == "path" && a.Name.Local == "class" {
					paths[a.Value]++
				}
			}
		case xml.CharData:
			texts[string(x)] = true
		}
	}
	if got := fmt.Sprint(paths); got != "map[cascade:5 cut:4 keep:5]" {
		t.Errorf("lines: %s", got)
	}
	for _, want := range []string{"orders", "ledger", `audit."Log <&> ""Entries"""`, `the "order"`, "1,007 removed (cascade, direct)", "5 cut loose",
		"SET DEFAULT", "Note: public.dropped is not shown: 2 rows of it took part in the incident"} {
		if !texts[want] {
			t.Errorf("%q is not written", want)
		}
	}
}

// Whatever the graph, no two boxes of a part lie on one another, lines lead
// through every box of their own, and the parts do not touch.
func TestLayout_NothingLiesOnAnythingElse(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		g := &Graph{}
		for i := range 1 + r.IntN(25) {
			g.Tables = append(g.Tables, &Table{Schema: "public", Name: fmt.Sprintf("t%0*d", r.IntN(20), i), Estimated: int64(i), Removed: int64(r.IntN(3))})
		}
		for i := range r.IntN(40) {
			g.Keys = append(g.Keys, &Key{Name: fmt.Sprint(i), Child: g.Tables[r.IntN(len(g.Tables))], Parent: g.Tables[r.IntN(len(g.Tables))],
				Columns: []string{fmt.Sprintf("c%0*d", r.IntN(30), i)}, OnDelete: []catalog.Action{catalog.Cascade, catalog.SetNull, catalog.NoAction}[r.IntN(3)], Validated: true})
		}
		g.sort()
		parts := g.parts()
		where, w, h := pack(parts)
		tables, chains, loops := 0, 0, 0
		var frames []*box
		for i, d := range parts {
			var boxes []*box
			for _, l := range d.layers {
				boxes = append(boxes, l...)
			}
			apart(t, seed, boxes)
			chains += len(d.chains)
			for _, b := range boxes {
				if b.table != nil {
					tables++
					loops += len(d.loops[b.table])
				}
				if b.x-b.w/2 < -0.01 || b.x+b.w/2 > d.w+0.01 || b.y < -0.01 || b.y+b.h > d.h+0.01 {
					t.Fatalf("seed %d: a box is out of its part", seed)
				}
			}
			for _, c := range d.chains {
				for j := 1; j < len(c.boxes); j++ {
					if c.boxes[j].layer != c.boxes[j-1].layer+1 {
						t.Fatalf("seed %d: key %s leaps over a layer", seed, c.key.Name)
					}
				}
			}
			frame := &box{x: where[i][0] + d.w/2, y: where[i][1], w: d.w, h: d.h}
			if frame.x+frame.w/2 > w+0.01 || frame.y+frame.h > h+0.01 {
				t.Fatalf("seed %d: a part is out of the drawing", seed)
			}
			frames = append(frames, frame)
		}
		apart(t, seed, frames)
		if tables != len(g.Tables) || chains+loops != len(g.Keys) {
			t.Fatalf("seed %d: %d tables of %d, %d keys of %d", seed, tables, len(g.Tables), chains+loops, len(g.Keys))
		}
	}
}

func apart(t *testing.T, seed uint64, boxes []*box) {
	t.Helper()
	for i, a := range boxes {
		for _, b := range boxes[:i] {
			if a.x-a.w/2 < b.x+b.w/2-0.01 && b.x-b.w/2 < a.x+a.w/2-0.01 && a.y < b.y+b.h-0.01 && b.y < a.y+a.h-0.01 {
				t.Fatalf("seed %d: two boxes overlap: %+v and %+v", seed, *a, *b)
			}
		}
	}
}
