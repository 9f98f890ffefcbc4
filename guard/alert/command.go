package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rowback/rowback/internal/child"
)

// Command runs a program for each notice, without a shell: the Message as JSON on
// its standard input, the main facts in its environment. It has told people when it
// exits with 0. Past the time-out it is killed, with all of its process group.
type Command struct {
	Args []Secret // the program and its arguments
}

// EnvPrefix begins the variables that a Command's program finds. They are no settings.
const EnvPrefix = "ROWBACK_ALERT_"

// afterExit is how long what a command left behind may keep its output open.
const afterExit = time.Second

func (c Command) kind() string { return "command" }

func (c Command) String() string { return filepath.Base(string(c.Args[0])) }

// Lacking is why the program cannot be run; nil: it can, as far as its file tells.
func (c Command) Lacking() error {
	if _, err := exec.LookPath(string(c.Args[0])); err != nil {
		return fmt.Errorf("%s cannot be run: %w", c, err)
	}
	return nil
}

func (c Command) secrets() (out []string) {
	for _, a := range c.Args[1:] {
		out = append(out, string(a))
	}
	return out
}

func (c Command) send(ctx context.Context, m *Message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	args := make([]string, len(c.Args))
	for i, a := range c.Args {
		args[i] = string(a)
	}
	said := &limited{max: 4 * maxSaid}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = bytes.NewReader(body), said, said, afterExit
	cmd.Env = append(os.Environ(), environment(m)...)
	p, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		return fmt.Errorf("%s cannot be run: %w", c, err)
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
		_ = p.Wait()
		return fmt.Errorf("%s was killed: %w", c, context.Cause(ctx))
	}
	err = p.Wait()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return &refusedError{answer: fmt.Sprintf("%s ended with %s", c, exit.ProcessState), said: oneLine(said.String()), passing: true}
	case errors.Is(err, exec.ErrWaitDelay): // it exited with 0; something that it started runs on
		return nil
	}
	return err
}

// maxVariable bounds a variable: the kernel refuses long ones.
const maxVariable = 8 << 10

func environment(m *Message) []string {
	var out []string
	for name, value := range map[string]string{
		"KIND": string(m.Kind), "ID": m.ID, "SEVERITY": m.Severity, "TEXT": m.Text, "WHAT": m.What, "NEXT": m.Next, "DATABASE": m.Database,
		"USER": m.User, "APPLICATION": m.Application, "CLIENT": m.Client, "RULE": m.Rule, "ROWS": strconv.FormatInt(m.Rows, 10), "TABLES": m.notice.tables(),
	} {
		value = strings.ReplaceAll(value, "\x00", "")
		out = append(out, EnvPrefix+name+"="+value[:min(len(value), maxVariable)])
	}
	return out
}

// limited keeps the beginning of what is written to it.
type limited struct {
	buf bytes.Buffer
	max int
}

func (l *limited) Write(b []byte) (int, error) {
	l.buf.Write(b[:min(len(b), l.max-l.buf.Len())])
	return len(b), nil
}

func (l *limited) String() string { return l.buf.String() }
