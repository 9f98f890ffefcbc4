package doctor

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
)

func TestListen(t *testing.T) {
	answers := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }))
	defer answers.Close()
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := nobody.Close(); err != nil {
		t.Fatal(err)
	}
	web, taken, free := answers.Listener.Addr().String(), pgtest.Shared(t).Addr(), nobody.Addr().String()
	o := configured(t)
	for name, x := range map[string]struct {
		listen, admin string
		status        Status
		says          string
	}{
		"free":                           {free, "", OK, "is free"},
		"another program's":              {web, "", Fail, "no rowback proxy"},
		"not of this machine":            {"192.0.2.1:6432", "", Fail, "an address of this machine"},
		"no address":                     {"6432", "", Fail, "give host:port"},
		"no directory":                   {"/no/such/directory", "", Fail, "make the directory"},
		"PostgreSQL's, nobody knows":     {taken, "", Note, "the proxy, if it runs"},
		"PostgreSQL's, no proxy runs":    {taken, free, Warn, "it is another server"},
		"PostgreSQL's, and a proxy runs": {taken, web, OK, "the proxy that runs"},
	} {
		t.Run(name, func(t *testing.T) {
			o.Listen, o.Admin = x.listen, x.admin
			look(t, o).expect(t, "listen", x.status, x.says)
		})
	}
}

// A socket directory is left as it was.
func TestListen_Socket(t *testing.T) {
	dir, err := os.MkdirTemp("", "s") // a socket's path is to be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, ".s.PGSQL.7000")
	o := configured(t)
	o.Listen = dir + ":7000"
	look(t, o).expect(t, "listen", OK, "is free")
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("a socket is left: %v", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	closing := make(chan struct{})
	go func() {
		defer close(closing)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	look(t, o).expect(t, "listen", Fail, "no rowback proxy")
	l.Close()
	<-closing
	look(t, o).expect(t, "listen", OK, "is free") // what a killed proxy leaves
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	look(t, o).expect(t, "listen", Fail, "is in the way")
	o.Listen = dir + "/nothing"
	look(t, o).expect(t, "listen", Fail, "no such file")
}
