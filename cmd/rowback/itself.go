package main

import (
	"net"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

// itself reports whether one of the upstream's hosts is the address that the
// proxy listens on: then sessions would lead to themselves without end.
func itself(upstream string, listening net.Addr) bool {
	config, err := pgconn.ParseConfig(connString(upstream))
	if err != nil || listening == nil {
		return false
	}
	for _, h := range append([]*pgconn.FallbackConfig{{Host: config.Host, Port: config.Port}}, config.Fallbacks...) {
		network, address := pgconn.NetworkAddress(h.Host, h.Port)
		here, isTCP := listening.(*net.TCPAddr)
		switch {
		case network == "unix" && address == listening.String():
			return true
		case network != "tcp" || !isTCP || strconv.Itoa(here.Port) != strconv.Itoa(int(h.Port)):
			continue
		}
		ips, _ := net.LookupIP(h.Host) // that it cannot be found the sessions will say
		if slices.ContainsFunc(ips, func(ip net.IP) bool { return ip.Equal(here.IP) || here.IP.IsUnspecified() && isHere(ip) }) {
			return true
		}
	}
	return false
}

// isHere: the address is one of this host's.
func isHere(ip net.IP) bool {
	if ip.IsLoopback() {
		return true
	}
	addrs, _ := net.InterfaceAddrs()
	return slices.ContainsFunc(addrs, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.Equal(ip)
	})
}
