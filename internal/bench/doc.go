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
// A figure that has a target stands beside it, and is met or missed. The peer is the
// best for its purpose: pgbouncer in session mode, its server connections open;
// COPY by one who knows the keys. haproxy, which passes bytes on, is there for comparison. pgbench is measured from its third second on: a new
// server process is slower at first, and pgbouncer's are not new. A case that fails is reported, and the rest runs.
//
// BENCH_SECONDS is how long each side of a timed case runs in each round (default
// 2), BENCH_ROUNDS how many rounds there are (3), BENCH_CLIENTS how many clients
// read by key (1,16,100; 1000 takes minutes a side on two cores), BENCH_COPY_MIB the size of a COPY (256), BENCH_BIG the
// rows of the large DELETE (1000000), BENCH_RUNAWAY those of the one that is refused
// (1100000, and no more than the disk has room for), BENCH_BULK those of the large
// restores and diffs (500000,1000000), BENCH_JOURNAL the keys in the largest journal
// of the curves (10000000). make bench-full has all at the sizes that the targets
// name. BENCH_OUT is a file or a directory for the report, as JSON and HTML; -curves
// joins its plots to the report of the same commit.
package main
