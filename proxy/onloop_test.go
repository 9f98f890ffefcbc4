package proxy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/testcert"
)

// underTLS are proxies by which of their sides are under TLS.
func underTLS(t *testing.T) map[string]Options {
	t.Helper()
	a := testcert.New(t)
	c, _, _ := authCluster(t, a)
	cert, key := a.Issue(t, "proxy")
	config := mustLoad(t, cert, key, "")
	upstream := strings.Replace(c.URL("postgres"), "sslmode=disable", "sslmode=require", 1)
	return map[string]Options{"plain": {}, "client": {TLS: config}, "server": {Upstream: upstream}, "both": {TLS: config, Upstream: upstream}}
}

// Loop and goroutines take turns at random: long and short, both ways, judged
// and not, and nothing is lost, doubled or swapped.
func TestLoop_TakesTurnsWithGoroutines(t *testing.T) {
	judge := judgeFunc(func(ctx context.Context, w Wire, typ byte, body []byte) error {
		switch len(body) % 4 {
		case 0:
			return exchangeAndForward(ctx, w, typ, body)
		case 1:
			return quiesceAndForward(ctx, w, typ, body)
		}
		w.Forward()
		return nil
	})
	for name, o := range underTLS(t) {
		t.Run(name, func(t *testing.T) {
			o.Judge = some{judge}
			o.Loops = len(name) % 2 // the loop keeps a processor, or not
			takeTurns(t, serve(t, o), o.TLS != nil)
		})
	}
}

func takeTurns(t *testing.T, s *Server, tls bool) {
	url := proxyURL(s, "postgres")
	if tls {
		url = strings.Replace(url, "sslmode=disable", "sslmode=require", 1)
	}
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 0))
			ctx := t.Context()
			c, err := pgx.Connect(ctx, url)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close(context.Background())
			for n := range 60 {
				text := strings.Repeat(fmt.Sprint(i, n), r.IntN(1<<r.IntN(17)))
				repeat := r.IntN(1 << r.IntN(6))
				var got string
				modes := []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol}
				if err := c.QueryRow(ctx, "SELECT repeat($1::text, $2::int)", modes[r.IntN(3)], text, repeat).Scan(&got); err != nil {
					t.Error(err)
					return
				}
				if got != strings.Repeat(text, repeat) {
					t.Errorf("client %d: answer %d is another's, or damaged: %d bytes, want %d", i, n, len(got), len(text)*repeat)
				}
			}
		})
	}
	clients.Wait()
}

// some is a judge that wants some messages, by their length.
type some struct{ Judge }

func (j some) Session(ctx context.Context, i *Info) Session { return someOf{j.Judge.Session(ctx, i)} }

type someOf struct{ Session }

func (s someOf) Wants(typ byte, body []byte) bool {
	return len(body)%3 == 0 && (typ == 'P' || typ == 'Q')
}
