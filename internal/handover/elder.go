package handover

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/rpc"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Elder is the older process, as the newer one sees it.
type Elder struct {
	client *rpc.Client
	gone   chan struct{}
}

// Inherit is the older process that started this one, and the files that it gives:
// the caller closes them. All are nil if there is none. To be called once, before
// anything is started: it takes the variable out of the environment.
func Inherit() (*Elder, Files, error) {
	text := os.Getenv(Variable)
	if text == "" {
		return nil, nil, nil
	}
	os.Unsetenv(Variable)
	var is inheritance
	if err := json.Unmarshal([]byte(text), &is); err != nil {
		return nil, nil, fmt.Errorf("handover: %s is not as rowback sets it: %w", Variable, err)
	}
	if is.From != os.Getppid() { // of somebody else, or of one that is gone
		return nil, nil, errors.New("handover: the process that started this one is gone")
	}
	files := Files{}
	for i, name := range is.Names {
		fd := firstFile + 1 + i
		unix.CloseOnExec(fd)
		files[name] = os.NewFile(uintptr(fd), name)
	}
	unix.CloseOnExec(firstFile)
	link := os.NewFile(firstFile, "elder")
	defer link.Close()
	conn, err := net.FileConn(link)
	if err != nil {
		files.Close()
		return nil, nil, fmt.Errorf("handover: %w", err)
	}
	return newElder(conn), files, nil
}

func newElder(conn net.Conn) *Elder {
	e := &Elder{gone: make(chan struct{})}
	e.client = rpc.NewClient(&watched{Conn: conn, ended: sync.OnceFunc(func() { close(e.gone) })})
	return e
}

// watched tells when nothing more can be read.
type watched struct {
	net.Conn
	ended func()
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if err != nil {
		w.ended()
	}
	return n, err
}

// Ready has the older process stop taking new work. The error is its refusal; if
// it is gone by now its place is free.
func (e *Elder) Ready() error {
	err := e.client.Call("Elder.Retire", none(false), new(none))
	if refusal := rpc.ServerError(""); errors.As(err, &refusal) {
		return err
	}
	return nil
}

// cancelPatience is longer than a server takes that answers.
const cancelPatience = time.Minute

// Cancel is Duties.Cancel; false also if the older process is gone, or hangs.
func (e *Elder) Cancel(key []byte) bool {
	call := e.client.Go("Elder.Cancel", key, new(bool), make(chan *rpc.Call, 1))
	select {
	case <-call.Done:
		return call.Error == nil && *call.Reply.(*bool)
	case <-time.After(cancelPatience):
		return false
	}
}

// Reload is Duties.Reload.
func (e *Elder) Reload() { _ = e.client.Call("Elder.Reload", none(false), new(none)) }

// Stop is Duties.Stop.
func (e *Elder) Stop() { _ = e.client.Call("Elder.Stop", none(false), new(none)) }

// Gone is closed when it has ended, and with it all before it.
func (e *Elder) Gone() <-chan struct{} { return e.gone }

// Close lets go of it: it takes that for this process's end.
func (e *Elder) Close() error { return e.client.Close() }
