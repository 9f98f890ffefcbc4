package drill

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/child"
)

// proxy is `rowback proxy` as a process, which may be killed and run again.
type proxy struct {
	program string
	args    []string
	env     []string
	client  *pgx.ConnConfig // of a client of it
	process *child.Process  // nil: does not run
	said    chan string     // all that it said, when it has ended
}

func newProxy(program, upstream, journal string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	client, err := pgx.ParseConfig(upstream)
	if err != nil {
		return nil, err
	}
	at := l.Addr().(*net.TCPAddr)
	client.Host, client.Port, client.TLSConfig, client.Fallbacks = at.IP.String(), uint16(at.Port), nil, nil
	p := &proxy{program: program, client: client}
	p.args = []string{"proxy", "--listen", at.String(), "--journal", journal, "--mode", "alert", "--threshold", "1", "--admin", "off"}
	// Not as a flag: it may hold a password.
	p.env = []string{"ROWBACK_CONFIG=" + os.DevNull, "ROWBACK_UPSTREAM=" + upstream}
	for _, line := range os.Environ() {
		if name, _, _ := strings.Cut(line, "="); name == "PATH" || name == "HOME" || strings.HasPrefix(name, "PG") {
			p.env = append(p.env, line)
		}
	}
	return p, nil
}

// run starts it and returns when it accepts connections.
func (p *proxy) run(ctx context.Context) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(context.Background(), p.program, p.args...)
	cmd.Env = p.env
	cmd.Stderr = w
	p.process, err = child.Start(cmd, syscall.SIGKILL)
	_ = w.Close()
	if err != nil {
		p.process = nil
		_ = r.Close()
		return err
	}
	listening := make(chan struct{})
	p.said = make(chan string, 1)
	go func() {
		defer r.Close()
		var said strings.Builder
		for lines := bufio.NewScanner(r); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "listening on ") {
				close(listening)
			}
			if said.Len() < 1<<16 {
				said.WriteString(lines.Text() + "\n")
			}
		}
		p.said <- said.String()
	}()
	select {
	case <-listening:
		return nil
	case said := <-p.said:
		p.process = nil
		return fmt.Errorf("rowback proxy did not start:\n%s", said)
	case <-time.After(time.Minute):
		p.kill()
		return fmt.Errorf("rowback proxy does not listen after a minute")
	case <-ctx.Done():
		p.kill()
		return ctx.Err()
	}
}

// kill is kill -9.
func (p *proxy) kill() {
	if p.process == nil {
		return
	}
	_ = p.process.Signal(syscall.SIGKILL) // an error: it has ended
	<-p.said
	_ = p.process.Wait()
	p.process = nil
}
