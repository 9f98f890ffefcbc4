package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
)

// listen takes the signals that run acts on. It is called before what may take time:
// one that comes then waits for run, and does not end the process.
// The caller calls stop at the end.
func (v *serving) listen() (stop func()) {
	// A limit on file sizes is an error of the journal's write, not the proxy's end.
	signal.Ignore(syscall.SIGXFSZ)
	v.hup, v.usr2 = make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(v.hup, syscall.SIGHUP)
	signal.Notify(v.usr2, syscall.SIGUSR2)
	return func() {
		signal.Stop(v.hup)
		signal.Stop(v.usr2)
	}
}

// run serves until ctx ends, then drains.
func (v *serving) run(ctx context.Context, cmd *cobra.Command, s *settings) error {
	// Serve's own context would end the sessions at once.
	served := make(chan error, 1)
	go func() { served <- v.server.Serve(context.WithoutCancel(ctx)) }()
	var failed error
	var gone, lost <-chan struct{}
	if v.elder != nil {
		gone = v.elder.Gone()
	}
	for served != nil || gone != nil {
		if lost = nil; v.next != nil {
			lost = v.next.Lost()
		}
		select {
		case failed = <-served:
			served = nil
		case <-gone:
			gone = nil
			v.inherit(ctx)
		case <-v.hup:
			v.reload(cmd, s)
			if v.elder != nil {
				go v.elder.Reload()
			}
		case <-v.usr2:
			v.startNext(cmd, s)
		case do := <-v.asks:
			do()
		case <-lost:
			v.stopping = v.nextLost()
		case <-v.overdue:
			v.overdue = nil
			if v.stopping = v.retired; !v.retired {
				v.duties = nil
				v.next.Kill() // lost, then
			}
		case <-ctx.Done():
			v.stopping = true
		}
		if v.stopping {
			return errors.Join(failed, v.drain(ctx, served, gone))
		}
	}
	close(v.deaf)
	return failed
}

// drain ends the sessions as they become idle, here and in the processes before.
func (v *serving) drain(ctx context.Context, served <-chan error, gone <-chan struct{}) error {
	close(v.deaf)
	if v.admin != nil {
		v.admin.draining.Store(true)
	}
	if !v.retired {
		v.tell(daemon.SdNotifyStopping)
		if v.next != nil {
			v.next.Kill()
		}
	}
	if v.elder != nil {
		go v.elder.Stop()
	}
	v.logger.Info("draining; a second signal ends the sessions at once", "sessions", v.server.Stats().Sessions)
	var err error
	if served != nil {
		if err = v.server.Drain(context.WithoutCancel(ctx)); err == nil {
			err = <-served
		}
	}
	if gone != nil {
		<-gone
	}
	v.logger.Info("stopped")
	return err
}

// inherit takes over what the processes before, which have ended, left unsettled.
func (v *serving) inherit(ctx context.Context) {
	v.logger.Info("the last session of the processes before this one has ended")
	if v.judge == nil {
		return
	}
	if err := v.judge.Inherit(ctx); err != nil {
		v.logger.Error("what they left in doubt is settled after the next restart", "error", err)
	}
	if v.retired { // there is the one after it
		v.countBoth(ctx)
		return
	}
	v.endHolds(ctx)
}

// endHolds ends what processes that are gone have left waiting.
func (v *serving) endHolds(ctx context.Context) {
	if err := v.judge.Abandoned(ctx); err != nil {
		v.logger.Warn("statements that were held when a proxy ended still seem to wait", "error", err)
	}
}
