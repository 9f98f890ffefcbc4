package pgtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Standby makes a hot standby of a running cluster, which streams from it, and
// starts it. To the primary its name is "standby". The caller must call Stop.
// Without a pg_basebackup the test is left out; see Client.
func (c *Cluster) Standby(tb testing.TB) (*Cluster, error) {
	tb.Helper()
	ctx, program := tb.Context(), c.program(tb, "pg_basebackup")
	s := &Cluster{BinDir: c.BinDir, version: c.version, cred: c.cred}
	err := s.makeDir("")
	if err == nil {
		from := fmt.Sprintf("host=127.0.0.1 port=%d user=postgres", c.Port)
		cmd := s.command(ctx, "pg_basebackup", "-D", s.data(), "-d", from, "-R", "-X", "stream", "-c", "fast")
		cmd.Path, cmd.Err = program, nil
		if out, failed := cmd.CombinedOutput(); failed != nil {
			err = fmt.Errorf("pg_basebackup: %w\n%s", failed, out)
		}
	}
	if err == nil {
		err = s.follow(c)
	}
	if err == nil {
		err = s.firstRun(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// follow overrides what the primary's configuration says of its directory, and
// what pg_basebackup says of the primary: one of another version has options in it
// that this server does not know.
func (c *Cluster) follow(primary *Cluster) error {
	f, err := os.OpenFile(filepath.Join(c.data(), "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "unix_socket_directories='%s'\nprimary_conninfo='host=127.0.0.1 port=%d user=postgres application_name=standby'\n", c.Dir, primary.Port)
	return errors.Join(err, f.Close())
}
