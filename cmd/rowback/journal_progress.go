package main

import (
	"context"
	"io"
	"iter"

	"github.com/spf13/cobra"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/recovery"
)

// watched is a journal that is read from its one end to the other, while somebody waits.
type watched struct {
	journal.Journal
	journal.Keeper
	p *recovery.Progress
}

// watch tells on standard error how far the reading of j is; end ends that.
func watch(cmd *cobra.Command, j journal.Journal) (_ journal.Journal, end func()) {
	k, ok := j.(journal.Keeper)
	if !ok {
		return j, func() {}
	}
	p := progress(cmd)
	return watched{j, k, p}, p.Done
}

func progress(cmd *cobra.Command) *recovery.Progress {
	stderr := cmd.ErrOrStderr()
	return recovery.NewProgress(stderr, isTerminal(stderr))
}

func (w watched) Entries(ctx context.Context, f journal.Filter) iter.Seq2[*journal.Entry, error] {
	return counted(ctx, w, f, w.Journal.Entries(ctx, f))
}

func (w watched) Stored(ctx context.Context) iter.Seq2[journal.Stored, error] {
	return counted(ctx, w, journal.Filter{}, w.Keeper.Stored(ctx))
}

// counted counts each of the entries as soon as it is done with.
func counted[T any](ctx context.Context, w watched, f journal.Filter, entries iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		n, err := w.Selected(ctx, f)
		if err != nil {
			n = 0 // what is wrong the reading says
		}
		w.p.Count("reading the journal", "entries", n)
		for e, err := range entries {
			if !yield(e, err) {
				return
			}
			w.p.Add(1)
		}
	}
}

func (w watched) Check(ctx context.Context) error {
	w.p.Start("checking its file or tables", 0)
	return w.Keeper.Check(ctx)
}

func (w watched) Shrink(ctx context.Context) error {
	w.p.Start("giving room back", 0)
	return w.Keeper.Shrink(ctx)
}

// watchedReader tells how much of a file is read.
type watchedReader struct {
	io.Reader
	p *recovery.Progress
}

func (w watchedReader) Read(b []byte) (int, error) {
	n, err := w.Reader.Read(b)
	w.p.Add(int64(n))
	return n, err
}
