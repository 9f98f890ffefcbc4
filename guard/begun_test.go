package guard_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/guard/policy"
)

// A server keeps the end of a long answer until it is told to send it. What the client has
// got the beginning of, what it sends next does not wait for.
func TestWire_AnAnswerThatHasBegun(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 1000), shop)
	r := dialRaw(t, e.url)
	ms := pbe("DELETE FROM plain WHERE id = 1 RETURNING " + strings.Repeat("1, ", 1662) + "1")
	for _, m := range ms[:3] {
		r.Send(m)
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // with these comes the beginning of RowDescription
		if m, err := r.Receive(); err != nil {
			t.Fatal(err)
		} else if _, is := m.(*pgproto3.ErrorResponse); is {
			t.Fatalf("%+v", m)
		}
	}
	r.Send(ms[3])
	r.Send(&pgproto3.Sync{})
	if got := r.answers(1); len(got) != 4 || !strings.Contains(got[2], "DELETE 1") {
		t.Errorf("%d answers: %.300q", len(got), got)
	}
}
