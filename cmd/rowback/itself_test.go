package main

import (
	"net"
	"testing"
)

func TestItself_IsFoundUnderEveryName(t *testing.T) {
	for _, c := range []struct {
		upstream, listening string
		port                int
		want                bool
	}{
		{"127.0.0.1:6432", "127.0.0.1", 6432, true},
		{"localhost:6432", "127.0.0.1", 6432, true},
		{"db.invalid:5432,127.0.0.1:6432", "0.0.0.0", 6432, true},
		{"postgres://u:p@127.0.0.1:6432/shop", "0.0.0.0", 6432, true},
		{"127.0.0.1:5432", "127.0.0.1", 6432, false},
		{"192.0.2.1:6432", "0.0.0.0", 6432, false},
	} {
		if got := itself(c.upstream, &net.TCPAddr{IP: net.ParseIP(c.listening), Port: c.port}); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
