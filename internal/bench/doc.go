// Bench measures rowback against its peer, the same work done straight or through
// pgbouncer, in turn in one process tree, and prints ratios: `make bench`.
//
// Each case runs for several rounds, both sides in every round and in changing
// order, so that what else the machine does meets both alike. A ratio belongs
// to one round; the table gives the least, the middle and the greatest.
//
// The servers are throwaway clusters with fsync on; the proxy is a process of
// its own, as in production, and its processor time is read from /proc (on
// Linux). Client, proxy and server share the machine's cores: on few cores the
// ratios are worse than where each has its own.
//
// BENCH_SECONDS is how long each side of a timed case runs in each round
// (default 2), BENCH_ROUNDS how many rounds there are (default 3).
package main
