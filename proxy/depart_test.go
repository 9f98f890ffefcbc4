package proxy

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/internal/pgtest"
)

// A client may send all that it has to say, and that it ends, before it reads: the server
// does that and the client has the answers, as without the proxy.
func TestDepart_WhatWasSentIsAnswered(t *testing.T) {
	const sql, count = "SELECT pg_sleep(0), repeat('y', 5000)", 100
	for how, exchange := range map[string][]byte{"simple": query(sql), "extended": append(prepared(sql), syncFrame...)} {
		for way, judge := range map[string]Judge{"unjudged": nil, "judged": judgeFunc(quiesceAndForward)} {
			for end, leave := range map[string]func(*testing.T, net.Conn){
				"Terminate": func(t *testing.T, c net.Conn) { write(t, c, frame(&pgproto3.Terminate{})) },
				"half closed": func(t *testing.T, c net.Conn) {
					if err := c.(*net.TCPConn).CloseWrite(); err != nil {
						t.Fatal(err)
					}
				},
			} {
				t.Run(fmt.Sprint(how, ", ", way, ", ", end), func(t *testing.T) {
					s := serve(t, Options{Judge: judge})
					c := rawSession(t, s)
					for range count {
						write(t, c, exchange)
					}
					leave(t, c)
					for i := range count {
						if got, _ := readUntil(t, c, 'Z'); !strings.HasSuffix(got, "DCZ") {
							t.Fatalf("answer %d is %q", i, got)
						}
					}
					wantClosed(t, c)
				})
			}
		}
	}
}

// It is the server that is gone, amid what a judge asks it: the client is told at once.
func TestDepart_ServerGone(t *testing.T) {
	c := pgtest.Shared(t)
	relay := pgtest.NewRelay(t, c)
	asked := make(chan struct{})
	s := serve(t, Options{DepartTimeout: time.Hour, Upstream: relay.Through(c.URL("postgres")), Judge: judgeFunc(func(ctx context.Context, w Wire, _ byte, _ []byte) error {
		if _, err := w.Quiesce(ctx); err != nil {
			return err
		}
		w.Send('Q', []byte("SELECT pg_sleep(60)\x00"))
		w.Push()
		close(asked)
		_, _, err := w.Receive(ctx)
		return err
	})})
	client := rawSession(t, s)
	write(t, client, query("SELECT 1"))
	<-asked
	relay.Cut()
	if got, _ := readUntil(t, client, 'E'); got != "E" {
		t.Errorf("got %q", got)
	}
	wantClosed(t, client)
}
