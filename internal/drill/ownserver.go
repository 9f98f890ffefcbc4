package drill

import (
	"context"
	"syscall"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/recovery"
	"github.com/rowback/rowback/recovery/backup"
)

// The databases of a server of our own: as the dump has it, and production.
const (
	ownRecovery   = "drill_backup"
	ownProduction = "drill_production"
)

// ownServer is a stage on a throwaway server, made from a dump.
type ownServer struct{ cluster *pgtest.Cluster }

// newOwnServer starts the server and loads the dump into it; the result is to be closed if it is not nil.
func newOwnServer(ctx context.Context, o Options) (*ownServer, error) {
	o.Progress.Start("starting a scratch server", 0)
	cluster, err := pgtest.Start(ctx, pgtest.Options{BinDir: o.BinDir})
	if err != nil {
		return nil, err
	}
	s := &ownServer{cluster}
	_, err = backup.Load(ctx, backup.LoadOptions{Dump: o.Dump, Server: cluster.URL("postgres"), Name: ownRecovery, BinDir: cluster.BinDir, Progress: o.Progress})
	return s, err
}

func (s *ownServer) recovery() string   { return s.cluster.URL(ownRecovery) }
func (s *ownServer) production() string { return s.cluster.URL(ownProduction) }

func (s *ownServer) reset(ctx context.Context) error {
	return copyDatabase(ctx, s.cluster.URL("postgres"), ownProduction, ownRecovery)
}

func (s *ownServer) crash(context.Context) error {
	if err := s.cluster.Signal(syscall.SIGQUIT); err != nil { // all at once, as in a crash
		return err
	}
	s.cluster.Wait()
	return nil
}

func (s *ownServer) kills() string { return killServer }

func (s *ownServer) standUp(ctx context.Context) error {
	session, err := recovery.Open(ctx, "production", s.cluster.URL("postgres"), application)
	if err != nil {
		return s.cluster.Run(ctx)
	}
	return session.Close()
}

func (s *ownServer) close() error { return s.cluster.Stop() }
