package proxy

import (
	"net"
	"strings"
	"testing"
)

// An address that is taken is said with what to do.
func TestListen_AddressIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, err := New(Options{Listen: l.Addr().String(), Upstream: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err == nil || !strings.Contains(err.Error(), "another program listens there") || !strings.Contains(err.Error(), "give another address") {
		t.Error(err)
	}
}

func TestListen_NoSuchDirectory(t *testing.T) {
	s, err := New(Options{Listen: "/no/such/directory", Upstream: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err == nil || !strings.Contains(err.Error(), "make the directory") {
		t.Error(err)
	}
}
