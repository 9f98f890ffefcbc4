package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// latencies are what a proxy adds to a read by key at a rate that leaves the
// machine time: theirs less those of a direct connection in the same round. The
// figure is how many microseconds more rowback adds than pgbouncer.
func latencies(l *lab) (cases []work) {
	for _, load := range []struct{ clients, rate int }{{1, 1000}, {16, 2000}} {
		name := fmt.Sprintf("latency added at %d/s, -M prepared -c %d", load.rate, load.clients)
		cases = append(cases, &other{name, func(ctx context.Context) ([]result, error) {
			return l.latency(ctx, name, load.clients, load.rate)
		}})
	}
	return cases
}

func (l *lab) latency(ctx context.Context, name string, clients, rate int) ([]result, error) {
	if err := l.pgbenchTables(ctx); err != nil {
		return nil, err
	}
	ways := []way{l.server, l.bouncer, l.block}
	var out []result
	shares := []float64{0.50, 0.99}
	peers, ours, more := make([][]float64, len(shares)), make([][]float64, len(shares)), make([][]float64, len(shares))
	for round := range l.rounds {
		took := make([][]float64, len(ways))
		for i := range ways {
			which := (i + round) % len(ways)
			var err error
			if took[which], err = l.logged(ctx, ways[which], clients, rate); err != nil {
				return nil, err
			}
		}
		for i, share := range shares {
			direct, theirs, mine := percentile(took[0], share), percentile(took[1], share), percentile(took[2], share)
			peers[i], ours[i], more[i] = append(peers[i], theirs-direct), append(ours[i], mine-direct), append(more[i], mine-theirs)
		}
	}
	for i, share := range shares {
		r := result{Name: fmt.Sprintf("%s, p%.0f", name, 100*share), Peer: "pgbouncer", Unit: "µs", Peers: middle(peers[i]), Ours: middle(ours[i]), Figure: "µs"}
		out = append(out, r.figures(more[i], atMost(0)))
	}
	return out, nil
}

// logged are the latencies of each transaction of one run, µs.
func (l *lab) logged(ctx context.Context, through way, clients, rate int) (took []float64, err error) {
	dir, err := os.MkdirTemp(l.dir, "latency-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if _, _, err := l.pgbench(ctx, through, clients, "-f", l.selectScript(), "-M", "prepared", "-R", strconv.Itoa(rate), "--log", "--log-prefix="+filepath.Join(dir, "log")); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "log*"))
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		more, err := readLog(f, warming)
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
		took = append(took, more...)
	}
	if len(took) == 0 {
		return nil, fmt.Errorf("pgbench has logged nothing: %w", io.ErrUnexpectedEOF)
	}
	return took, nil
}
