package main

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
)

// activated are the sockets that a service manager has opened for this process:
// one for clients, and one called admin. Either is nil if it is not there.
func activated() (clients, admin net.Listener, err error) {
	byName, err := activation.ListenersWithNames()
	if err != nil {
		return nil, nil, fmt.Errorf("sockets of the service manager: %w", err)
	}
	var all []net.Listener
	for name, listeners := range byName {
		if name == "admin" && len(listeners) == 1 {
			admin = listeners[0]
			continue
		}
		all = append(all, listeners...)
	}
	switch {
	case len(all) == 0:
		return nil, admin, nil
	case len(all) > 1 || all[0] == nil:
		return nil, nil, usageError(fmt.Errorf("of the service manager's sockets (%s) one is to be for clients, and one may be called admin (FileDescriptorName)",
			strings.Join(slices.Sorted(maps.Keys(byName)), ", ")))
	}
	return all[0], admin, nil
}
