package child

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func TestMain(m *testing.M) {
	if os.Getenv("CHILD_TEST") != "parent" {
		os.Exit(m.Run())
	}
	// The parent: a child that shares our stdout, then wait to be killed.
	cmd := exec.Command("sleep", "1000")
	cmd.Stdout = os.Stdout
	p, err := Start(cmd, syscall.SIGTERM)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(p.PID())
	select {}
}

func TestStart_ChildEndsWithAKilledParent(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "CHILD_TEST=parent")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	out := bufio.NewReader(r)
	pid, err := out.ReadString('\n')
	if err != nil || strings.Trim(pid, "0123456789\n") != "" {
		t.Fatal(pid, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	// The pipe ends when its last holder, the child, has gone.
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Fatal(err)
	}
}

func TestStart_ReportsHowItEnded(t *testing.T) {
	if _, err := Start(exec.CommandContext(context.Background(), "/no/such/program"), syscall.SIGTERM); err == nil {
		t.Error("a program that does not exist was started")
	}
	for _, start := range []func(*exec.Cmd) (*Process, error){
		StartDetached, func(c *exec.Cmd) (*Process, error) { return Start(c, syscall.SIGTERM) },
	} {
		p, err := start(exec.Command("sh", "-c", "exit 7"))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Wait(); err == nil || err.Error() != "exit status 7" {
			t.Errorf("got %v", err)
		}
	}
}
