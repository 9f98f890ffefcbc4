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
// figure is how many microseconds more rowback adds than pgbouncer, which has the target, or haproxy.
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
	if err := l.haproxy(ctx); err != nil {
		return nil, err
	}
	ways := []way{l.server, l.block, l.bouncer, l.relay}
	peers := []struct {
		name string
		goal goal
	}{{"pgbouncer", atMost(0)}, {"haproxy", goal{}}}
	shares := []float64{0.50, 0.99}
	added := make([][][]float64, len(shares)) // by share and way: of each round, above direct
	for i := range added {
		added[i] = make([][]float64, len(ways))
	}
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
			for which := range ways {
				added[i][which] = append(added[i][which], percentile(took[which], share)-percentile(took[0], share))
			}
		}
	}
	var out []result
	for i, share := range shares {
		for p, peer := range peers {
			ours, theirs := added[i][1], added[i][2+p]
			more := make([]float64, len(ours))
			for round := range ours {
				more[round] = ours[round] - theirs[round]
			}
			r := result{Name: fmt.Sprintf("%s, p%.0f", name, 100*share), Peer: peer.name, Unit: "µs", Peers: middle(theirs), Ours: middle(ours), Figure: "µs"}
			out = append(out, r.figures(more, peer.goal))
		}
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
