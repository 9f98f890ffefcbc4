package main

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// perNetwork is how many sessions there may be at a time from networks, as in
// "10.0.0.0/8=50, 192.0.2.7=2".
func perNetwork(text string) (map[netip.Prefix]int, error) {
	limits := map[netip.Prefix]int{}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		name, number, _ := strings.Cut(item, "=")
		network, ok := network(strings.TrimSpace(name))
		n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 31)
		if !ok || err != nil {
			return nil, fmt.Errorf("%q is not a network and a number, such as 10.0.0.0/8=50", item)
		}
		if _, twice := limits[network]; twice {
			return nil, fmt.Errorf("%s stands there twice", network)
		}
		limits[network] = int(n)
	}
	return limits, nil
}

// network is a network in CIDR notation, or that of one address.
func network(text string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), true
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err == nil && !p.Addr().Is4In6()
}

func checkPerNetwork(text string) error {
	_, err := perNetwork(text)
	return err
}
