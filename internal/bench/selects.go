package main

import (
	"context"
	"fmt"
)

// against is a piece of work of pgbench's, through us and another way.
func (l *lab) against(name, peer string, between way, clients int, args ...string) *bench {
	return &bench{
		name: name, peer: peer, setup: l.pgbenchTables,
		measure: func(ctx context.Context, ours bool) (sample, error) {
			through := between
			if ours {
				through = l.block
			}
			s, _, err := l.pgbench(ctx, through, clients, args...)
			return s, err
		},
	}
}

// againstRelay is the same through us and haproxy, without a target.
func (l *lab) againstRelay(name string, clients int, args ...string) *bench {
	b := &bench{name: name, peer: "haproxy"}
	b.setup = func(ctx context.Context) error {
		if err := l.haproxy(ctx); err != nil {
			return err
		}
		b.measure = l.against("", "", l.relay, clients, args...).measure
		return l.pgbenchTables(ctx)
	}
	return b
}

// selects are reads by key, which the guard has nothing to do with.
func selects(l *lab) (cases []work) {
	for _, protocol := range []string{"simple", "prepared"} {
		for _, clients := range l.clients {
			b := l.against(fmt.Sprintf("SELECT by key, -M %s -c %d", protocol, clients), "pgbouncer", l.bouncer, clients, "-f", l.selectScript(), "-M", protocol)
			if b.goal, b.cpu = atLeast(1), atMost(1); clients < 16 {
				b.cpu = atMost(1.2)
			}
			if clients > 100 {
				b.rounds = 1 // to let them in takes longer than what is measured
			}
			b.before = func(ctx context.Context, _ int) error { return l.warm(ctx, clients) }
			cases = append(cases, b)
		}
		name := fmt.Sprintf("SELECT by key, -M %s -c 16", protocol)
		cases = append(cases, l.againstRelay(name, 16, "-f", l.selectScript(), "-M", protocol),
			l.against(name, "direct", l.server, 16, "-f", l.selectScript(), "-M", protocol),
			l.against(name, "mode off", l.off, 16, "-f", l.selectScript(), "-M", protocol)) // what judging costs a statement that removes nothing
	}
	return cases
}

// warm has pgbouncer open as many server connections as there will be clients: it
// does that one after the other, as queries come, and has few for many until then.
func (l *lab) warm(ctx context.Context, clients int) error {
	all, err := gather(ctx, l.bouncer.Addr, pgbenchDatabase, clients, false)
	if err == nil {
		all.leave()
	}
	return err
}

// updates are pgbench's own transactions, TPC-B: BEGIN, four statements that write, a read, END.
func updates(l *lab) []work {
	b := l.against("pgbench TPC-B, -M prepared -c 16", "pgbouncer", l.bouncer, 16, "-M", "prepared")
	b.goal = atLeast(1)
	return []work{b}
}
