package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"github.com/rowback/rowback/internal/handover"
	"github.com/rowback/rowback/journal"
)

// handoverTimeout is how long a new process may take until it takes over.
const handoverTimeout = time.Minute

// Names of what one process gives to the next.
const (
	giveListen    = "listen "   // and the setting
	giveActivated = "activated" // as giveListen, of a socket that the service manager keeps
	giveAdmin     = "admin "    // and the setting
	giveJournal   = "journal"   // its lock
)

// generations are a proxy's processes before and after this one. But for
// asks and deaf they belong to serving.run.
type generations struct {
	elder   *handover.Elder // nil: there is none
	next    *handover.Successor
	duties  *duties // to next
	retired bool    // next serves
	overdue <-chan time.Time
	limit   time.Duration // how long sessions go on then; 0: any time

	asks chan func()   // what run is to do for others
	deaf chan struct{} // closed: it takes no more asks
}

// duties are what this process does for the one after it.
type duties struct {
	v   *serving
	cmd *cobra.Command
	s   *settings
}

func (d *duties) Retire() (err error) {
	if !d.v.ask(func() { err = d.v.retire(d) }) {
		return errors.New("the old process is stopping")
	}
	return err
}

func (d *duties) Cancel(key []byte) bool {
	found, err := d.v.server.Cancel(d.cmd.Context(), key)
	if err != nil {
		d.v.logger.Warn("cancel request failed", "error", err)
	}
	return found || d.v.elder != nil && d.v.elder.Cancel(key)
}

func (d *duties) Reload() { d.v.ask(func() { d.v.reload(d.cmd, d.s) }) }

func (d *duties) Stop() {
	// The answer does not wait for the sessions.
	go d.v.ask(func() { d.v.stopping = true })
}

// ask has run do f, and reports whether it did.
func (v *serving) ask(f func()) bool {
	done := make(chan struct{})
	select {
	case v.asks <- func() { defer close(done); f() }:
		<-done
		return true
	case <-v.deaf:
		return false
	}
}

// startNext starts this program again, to take this process's place.
func (v *serving) startNext(cmd *cobra.Command, s *settings) {
	err := func() error {
		switch {
		case v.retired:
			return fmt.Errorf("process %d has taken over already", v.next.PID())
		case v.next != nil:
			return fmt.Errorf("process %d is taking over", v.next.PID())
		case os.Getpid() == 1:
			return errors.New("this is process 1 of a container, whose end would end the new process, too; start a new container")
		}
		// By its name again: the new version may be elsewhere.
		program, err := exec.LookPath(os.Args[0])
		if err != nil {
			return err
		}
		files, err := v.gifts(s)
		if err != nil {
			return err
		}
		defer files.Close()
		c := exec.Command(program, os.Args[1:]...)
		c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
		d := &duties{v, cmd, s}
		if v.next, err = handover.Start(c, files, d); err != nil {
			return err
		}
		v.duties, v.overdue = d, time.After(handoverTimeout)
		return nil
	}()
	if err != nil {
		v.logger.Error("no new process takes over; this one goes on", "error", err)
		return
	}
	v.logger.Info("a new process is to take over", "pid", v.next.PID())
}

// gifts are the files for the next process. The caller closes them.
func (v *serving) gifts(s *settings) (_ handover.Files, err error) {
	files := handover.Files{}
	defer func() {
		if err != nil {
			files.Close()
		}
	}()
	name := giveListen + s.Listen
	if v.activated {
		name = giveActivated
	}
	if files[name], err = v.server.ListenerFile(); err != nil {
		return nil, err
	}
	if v.admin != nil {
		if files[giveAdmin+s.Admin], err = v.admin.file(); err != nil {
			return nil, err
		}
	}
	if j, ok := v.journal.(journal.Locked); ok {
		if files[giveJournal], err = j.Lock(); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// retire leaves the clients to come to the next process.
func (v *serving) retire(d *duties) error {
	if v.duties != d {
		return errors.New("it took too long to take over")
	}
	v.reload(d.cmd, d.s) // one set of rules for old and new sessions
	if err := v.server.Retire(); err != nil {
		return err
	}
	if v.admin != nil {
		v.admin.retire()
	}
	v.countBoth(d.cmd.Context())
	v.retired, v.overdue = true, nil
	if v.limit > 0 {
		v.overdue = time.After(v.limit)
	}
	v.tell(fmt.Sprintf("MAINPID=%d", v.next.PID()))
	v.logger.Info("handed over; sessions here go on until their clients end them", "pid", v.next.PID(), "sessions", v.server.Stats().Sessions, "limit", v.limit)
	return nil
}

// countBoth has windows count what the other process removes, too.
func (v *serving) countBoth(ctx context.Context) {
	if v.judge == nil {
		return
	}
	if err := v.judge.Beside(ctx); err != nil {
		v.logger.Warn("windows do not count yet what the other process removes", "error", err)
	}
}

// nextLost notes that the next process is gone. stop: clients have nobody to go to.
func (v *serving) nextLost() (stop bool) {
	err := v.next.Wait()
	if v.retired {
		if j, ok := v.journal.(journal.Locked); ok {
			j.Sign()
		}
		v.logger.Error("the process that took over has ended; nobody accepts clients: start rowback again once this process has ended, which it does with its last session", "pid", v.next.PID(), "how", err)
		return true
	}
	v.logger.Error("the new process has not taken over; this one goes on", "pid", v.next.PID(), "error", err)
	v.next, v.duties, v.overdue = nil, nil, nil
	return false
}

// tell tells the service manager, if there is one.
func (v *serving) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		v.logger.Warn("the service manager cannot be told", "error", err)
	}
}

// heirloom takes the listener of a name out of files; nil if there is none.
func heirloom(files handover.Files, name string) (net.Listener, error) {
	f := files[name]
	if f == nil {
		return nil, nil
	}
	delete(files, name)
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("handover: %w", err)
	}
	if u, ok := l.(*net.UnixListener); ok && name != giveActivated {
		u.SetUnlinkOnClose(true)
	}
	return l, nil
}

// listeners are those that this process need not open: of the service manager, or
// of the process before this one. Others that this one gave are left to be closed.
func (v *serving) listeners(s *settings, files handover.Files) (clients, admin net.Listener, err error) {
	if v.elder == nil {
		clients, admin, err = activated()
		v.activated = clients != nil
		return clients, admin, err
	}
	if clients, err = heirloom(files, giveActivated); clients != nil || err != nil {
		v.activated = true
	} else {
		clients, err = heirloom(files, giveListen+s.Listen)
	}
	if err == nil {
		admin, err = heirloom(files, giveAdmin+s.Admin)
	}
	return clients, admin, err
}
