package main

import (
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Whoever can reach the endpoint, with a token or not, takes a few files at most, and keeps
// nobody else from asking.
func TestAdmin_ManyConnections(t *testing.T) {
	for name, says := range map[string]string{
		"nothing":           "",
		"half a request":    "GET /healthz HT",
		"no body":           "POST /api/v1/holds/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n",
		"a request, and on": "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			a, _, _ := startedAdmin(t, access{act: actor}, nil)
			var all []net.Conn
			for range 4 * maxAdminConns {
				c, err := net.Dial("tcp", a.listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if _, err := io.WriteString(c, says); err != nil && !strings.Contains(err.Error(), "reset") && !strings.Contains(err.Error(), "broken pipe") {
					t.Fatal(err)
				}
				all = append(all, c)
			}
			client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
			for range 2 * maxAdminConns {
				answer, err := client.Get(fmt.Sprintf("http://%s/healthz", a.listener.Addr()))
				if err != nil {
					t.Fatal(err)
				}
				answer.Body.Close()
			}
			a.conns.mu.Lock()
			open := len(a.conns.all)
			a.conns.mu.Unlock()
			if open > maxAdminConns {
				t.Errorf("%d connections are open", open)
			}
			if err := all[0].SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, all[0]); err != nil && !strings.Contains(err.Error(), "reset") {
				t.Errorf("the oldest has not been closed: %v", err)
			}
		})
	}
}

// An answer under way makes no room.
func TestAdmin_AnswersUnderWayStay(t *testing.T) {
	var c conns
	server, _ := net.Pipe()
	c.state(server, http.StateNew)
	c.find(server).answers++
	for range 2 * maxAdminConns {
		other, _ := net.Pipe()
		c.state(other, http.StateNew)
	}
	if len(c.all) != maxAdminConns || c.find(server) == nil {
		t.Errorf("%d connections", len(c.all))
	}
}

// What clients have net/http say is bounded in the log: anybody can fail a TLS handshake.
func TestAdmin_SaysLittleOfStrangers(t *testing.T) {
	var said strings.Builder
	l := log.New(&strangers{log: slog.New(slog.NewTextHandler(&said, nil))}, "", 0)
	for i := range 1000 {
		l.Printf("TLS handshake error %d", i)
	}
	if n := strings.Count(said.String(), "\n"); n == 0 || n >= 1000 || !strings.Contains(said.String(), `error="TLS handshake error 0"`) {
		t.Errorf("%d lines: %s", n, said.String())
	}
}
