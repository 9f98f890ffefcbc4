package proxy

import "context"

// serveSession connects a client that has sent its startup packet to a server
// and relays the session to its end, unless that goes on on a loop (then true).
// admitted is called if there is room for it.
func (s *Server) serveSession(ctx context.Context, g greeting, admitted func()) bool {
	r := &relay{
		srv: s, legs: g.legs, opening: &opening{packet: g.packet, tls: g.tls}, client: g.conn,
		cin: newInbuf(g.conn), scan: serverScan{max: s.o.MaxMessage}, params: newParameters(),
		info: Info{
			Database: clip(g.params["database"]), User: clip(g.params["user"]), Application: g.params["application_name"],
			Client: clientAddr(g.conn), Replication: g.params["replication"] == "database",
		},
		physical: isReplication(g.params["replication"]),
	}
	r.cond.L, r.info.Memory = &r.mu, s.o.Memory.Share(func() { r.stop(errStalled) })
	r.cin.memory = r.info.Memory
	if r.info.Database == "" {
		r.info.Database = r.info.User
	}
	if err := s.enter(ctx, r); err != nil {
		r.stop(err)
		r.close()
		return false
	}
	admitted()
	return r.serve(ctx)
}

// clip cuts the name of a role or database off where the server does: whoever gives a
// longer one is not somebody else.
func clip(name string) string { return name[:min(len(name), maxName)] }

const maxName = 63 // NAMEDATALEN - 1

// enter admits a session, unless ctx has ended: who is in by then is found by endAll.
func (s *Server) enter(ctx context.Context, r *relay) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions.Add(1)
	if s.draining || ctx.Err() != nil {
		return errShutdown
	}
	if err := s.admit(r); err != nil {
		return err
	}
	s.relays[r] = struct{}{}
	return nil
}

func (s *Server) leave(r *relay) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, in := s.relays[r]; in {
		delete(s.relays, r)
		s.dismiss(r)
	}
	s.sessions.Add(-1)
	for _, key := range r.keys {
		s.keys.remove(key)
	}
}
