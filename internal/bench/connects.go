package main

import "context"

// connects open a session, are let in (trust), read a row by key and leave: pgbench
// -C. pgbouncer has server connections ready; with server_lifetime = 0 it opens one
// for each client, as rowback does.
func connects(l *lab) []work {
	args := []string{"-C", "-S", "-M", "simple"}
	warm := l.against("connect, log in and first query, -c 4", "pgbouncer", l.bouncer, 4, args...)
	warm.goal = atMost(1.2)
	cold := &bench{name: warm.name, peer: "pgbouncer, cold", goal: warm.goal}
	cold.setup = func(ctx context.Context) error {
		if err := l.pgbenchTables(ctx); err != nil {
			return err
		}
		p, err := l.startPooler(ctx, "session", "server_lifetime = 0")
		if err == nil {
			cold.measure = l.against("", "", p, 4, args...).measure
		}
		return err
	}
	return []work{warm, cold, l.against(warm.name, "direct", l.server, 4, args...)}
}
