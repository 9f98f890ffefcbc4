package handover

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/rpc"
	"os"
	"os/exec"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Variable is the environment variable by which a process knows what it inherits.
const Variable = "ROWBACK_HANDOVER"

// firstFile is the descriptor of exec.Cmd's first extra file.
const firstFile = 3

// Files are open files that go from one process to the next, by name.
type Files map[string]*os.File

// Close closes them all.
func (f Files) Close() {
	for _, file := range f {
		file.Close()
	}
}

// inheritance is what Variable says: the names of the files, in the order of their
// descriptors. The first one leads to the older process.
type inheritance struct {
	From  int      `json:"from"` // process ID of the older one
	Names []string `json:"names"`
}

// Duties are what an older process does for the newer one. They are called by
// several goroutines at once.
type Duties interface {
	// Retire stops taking new work: the newer one does when it has returned. Called once, if at all.
	Retire() error
	// Cancel passes a cancel request on and reports whether its key is known here.
	Cancel(key []byte) bool
	// Reload reads the configuration again.
	Reload()
	// Stop ends what is left, in order.
	Stop()
}

// Successor is the newer process, as the older one sees it.
type Successor struct {
	cmd   *exec.Cmd
	lost  chan struct{}
	ended chan struct{}
	err   error // how the process ended; read after ended
}

// Start starts cmd, gives it files (they stay open here, too) and serves duties to
// it from then on. Of its own environment cmd is to have set nothing, or all.
func Start(cmd *exec.Cmd, files Files, duties Duties) (*Successor, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, fmt.Errorf("handover: %w", err)
	}
	for _, fd := range pair {
		unix.CloseOnExec(fd)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "successor"), os.NewFile(uintptr(pair[1]), "elder")
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		return nil, fmt.Errorf("handover: %w", err)
	}
	is := inheritance{From: os.Getpid(), Names: slices.Sorted(maps.Keys(files))}
	cmd.ExtraFiles = []*os.File{theirs}
	for _, name := range is.Names {
		cmd.ExtraFiles = append(cmd.ExtraFiles, files[name])
	}
	text, err := json.Marshal(is)
	if err != nil {
		return nil, err
	}
	cmd.Env = append(cmd.Environ(), Variable+"="+string(text))
	if err := cmd.Start(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("handover: %w", err)
	}
	s := &Successor{cmd: cmd, lost: make(chan struct{}), ended: make(chan struct{})}
	server := rpc.NewServer()
	if err := server.RegisterName("Elder", &service{duties}); err != nil {
		panic(err) // its methods are wrong
	}
	go func() {
		defer close(s.lost)
		server.ServeConn(conn) // closes it
	}()
	go func() {
		defer close(s.ended)
		s.err = cmd.Wait()
	}()
	return s, nil
}

// PID of the process.
func (s *Successor) PID() int { return s.cmd.Process.Pid }

// Kill ends it at once.
func (s *Successor) Kill() { _ = s.cmd.Process.Kill() }

// Lost is closed when it will ask no more.
func (s *Successor) Lost() <-chan struct{} { return s.lost }

// Wait says how it ended. Once it is lost it ends soon, or is killed.
func (s *Successor) Wait() error {
	select {
	case <-s.ended:
	case <-time.After(5 * time.Second):
		s.Kill()
		<-s.ended
	}
	return s.err
}

// service is Duties as net/rpc wants them.
type service struct{ d Duties }

// none is what a call has nothing of; net/rpc wants it nevertheless.
type none = bool

func (s *service) Retire(none, *none) error { return s.d.Retire() }

func (s *service) Cancel(key []byte, found *bool) error {
	*found = s.d.Cancel(key)
	return nil
}

func (s *service) Reload(none, *none) error {
	s.d.Reload()
	return nil
}

func (s *service) Stop(none, *none) error {
	s.d.Stop()
	return nil
}
