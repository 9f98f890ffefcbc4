package proxy

import (
	"fmt"
	"net/netip"
)

// admission counts the sessions that are limited. It is guarded by Server.mu.
type admission struct {
	byUser    map[string]int // those whom the server has let in: a name can be anybody's word before
	byAddress map[netip.Addr]int
	byNetwork map[netip.Prefix]int // those of Options.MaxPerNetwork
}

// sessionFloor is how much of Options.Memory there must be for each session: it takes as
// much, and more, beside that.
const sessionFloor = 8 << 10

// admit counts r in, or says why there is no room for it. Sessions that only end
// what others have are not limited: cancel requests come before.
func (s *Server) admit(r *relay) error {
	a := &s.admitted
	if a.byUser == nil {
		a.byUser, a.byAddress, a.byNetwork = map[string]int{}, map[netip.Addr]int{}, map[netip.Prefix]int{}
	}
	from := clientIP(r.info.Client)
	switch {
	case len(s.relays) >= s.files.sessions:
		return tooMany(fmt.Sprintf("The proxy may open %d files, which is room for %d sessions: they need two each (ulimit -n, LimitNOFILE).", s.files.limit, s.files.sessions), nil)
	case s.o.Memory != nil && int64(len(s.relays)) >= s.o.Memory.Limit()/sessionFloor:
		return tooMany(fmt.Sprintf("The proxy's max-memory is room for %d sessions.", s.o.Memory.Limit()/sessionFloor), nil)
	case s.o.MaxSessions > 0 && len(s.relays) >= s.o.MaxSessions:
		return full(s.o.MaxSessions, "")
	case s.userFull(r):
		return full(s.o.MaxPerUser, " for one user")
	case s.o.MaxPerAddress > 0 && from.IsValid() && a.byAddress[from] >= s.o.MaxPerAddress:
		return full(s.o.MaxPerAddress, " from one address")
	}
	for network, limit := range s.o.MaxPerNetwork {
		if network.Contains(from) && a.byNetwork[network] >= limit {
			return full(limit, " from "+network.String())
		}
	}
	for network := range s.o.MaxPerNetwork {
		if network.Contains(from) {
			a.byNetwork[network]++
		}
	}
	a.byAddress[from]++
	return nil
}

func (s *Server) userFull(r *relay) bool {
	return s.o.MaxPerUser > 0 && s.admitted.byUser[r.info.User] >= s.o.MaxPerUser
}

// admitUser counts r in for its user, who is the one that it says, or is about to show it.
func (s *Server) admitUser(r *relay) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.userFull(r) {
		return full(s.o.MaxPerUser, " for one user")
	}
	s.admitted.byUser[r.info.User]++
	r.ofUser = true
	return nil
}

func full(limit int, whose string) error {
	return tooMany(fmt.Sprintf("The proxy's limit of %d sessions%s is reached.", limit, whose), nil)
}

func tooMany(hint string, cause error) error {
	return &clientError{code: codeTooManyConnections, message: "sorry, too many clients already", hint: hint, cause: cause}
}

// dismiss counts r out, which was admitted.
func (s *Server) dismiss(r *relay) {
	a := &s.admitted
	if r.ofUser {
		if a.byUser[r.info.User]--; a.byUser[r.info.User] == 0 {
			delete(a.byUser, r.info.User)
		}
	}
	from := clientIP(r.info.Client)
	if a.byAddress[from]--; a.byAddress[from] == 0 {
		delete(a.byAddress, from)
	}
	for network := range s.o.MaxPerNetwork {
		if network.Contains(from) {
			a.byNetwork[network]--
		}
	}
}

// clientIP is the address in clientAddr's text, the zero Addr of a unix socket.
func clientIP(client string) netip.Addr {
	at, err := netip.ParseAddrPort(client)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}
