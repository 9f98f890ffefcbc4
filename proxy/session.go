package proxy

import (
	"context"
	"errors"
	"log/slog"
)

// serveSession connects a client that has sent its startup packet to a server
// and relays the session to its end. It closes the server's connection.
func (s *Server) serveSession(ctx context.Context, g greeting, log *slog.Logger) {
	r := &relay{
		srv: s, start: g.packet, client: g.conn, clientTLS: g.tls,
		cin: newInbuf(g.conn), scan: serverScan{max: s.o.MaxMessage}, params: map[string]string{},
		info: Info{
			Database: g.params["database"], User: g.params["user"], Application: g.params["application_name"],
			Client: clientAddr(g.conn), Replication: isReplication(g.params["replication"]),
		},
	}
	r.cond.L = &r.mu
	if r.info.Database == "" {
		r.info.Database = r.info.User
	}
	log = log.With("user", r.info.User, "database", r.info.Database)
	err := s.enter(r)
	if err == nil {
		err = r.serve(ctx)
	}
	s.leave(r)
	r.say(err)
	if !r.isReady() {
		s.refused.Add(1)
	}
	switch {
	case errors.Is(err, errTerminated), errors.Is(err, errClientGone), errors.Is(err, errShutdown):
		log.Debug("session ended", "reason", err)
	default:
		log.Warn("session ended", "error", err)
	}
}

// enter admits a session.
func (s *Server) enter(r *relay) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.sessions.Add(1)
	if s.draining {
		return errShutdown
	}
	if s.o.MaxSessions > 0 && n > int64(s.o.MaxSessions) {
		return &clientError{code: codeTooManyConnections, message: "sorry, too many clients already",
			hint: "The proxy's limit of sessions is reached."}
	}
	s.relays[r] = struct{}{}
	return nil
}

func (s *Server) leave(r *relay) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.relays, r)
	s.sessions.Add(-1)
	for _, key := range r.keys {
		s.keys.remove(key)
	}
}
