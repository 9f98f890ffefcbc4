package guard_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/guard/policy"
)

// What a long session has closed, or what has ended with its transaction, takes no room.
func TestForgotten_WhatIsGone(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 1000), shop, wireExtra)
	run := func(n int) (name string, m messages) {
		name = fmt.Sprintf("S_%d", n)
		return name, cat(parse(name, "DELETE FROM orders WHERE id = -1"), bind("", name), execute("", 0))
	}
	for name, once := range map[string]func(r *raw, n int){
		"statements closed": func(r *raw, n int) {
			name, m := run(n)
			r.say(m, closed('S', name), syncMsg)
		},
		"statements deallocated": func(r *raw, n int) {
			name, m := run(n)
			r.say(m, syncMsg)
			r.say(q(fmt.Sprintf("DEALLOCATE %q", name)))
		},
		"portals": func(r *raw, n int) {
			name := fmt.Sprintf("C_%d", n)
			r.say(parse("d", "DELETE FROM plain WHERE id = -1 RETURNING id"), bind(name, "d"), execute(name, 10), closed('S', "d"), syncMsg)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := dialRaw(t, e.url)
			if err := r.conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
				t.Fatal(err)
			}
			for n := range 100 {
				once(r, n)
			}
			const times = 1000
			before := heap()
			for n := range times {
				once(r, 100+n)
			}
			if each := (int64(heap()) - int64(before)) / times; each > 1000 {
				t.Errorf("each leaves %d bytes", each)
			}
		})
	}
}

// heap is what is in use, in bytes.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// However many there are, what was not closed is judged as it was prepared.
func TestForgotten_NotWhatIsThere(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 10), purges)
	r := dialRaw(t, e.url)
	for n := range 200 {
		name := fmt.Sprintf("S_%d", n)
		r.say(parse(name, "DELETE FROM victim WHERE id > 0"), syncMsg)
		r.say(parse("x", "nonsense"), closed('S', name), syncMsg) // discarded
	}
	for _, name := range []string{"S_0", "S_100", "S_199"} {
		if got := r.say(bind("", name), execute("", 0), syncMsg); !strings.Contains(got, `"RB001"`) {
			t.Errorf("%s: %s", name, got)
		}
	}
}
