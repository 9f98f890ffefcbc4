// Package pgjournal is the journal that a fleet of proxies shares: in a
// PostgreSQL database, in a schema of its own (rowback_journal).
//
// It passes the same suite as the embedded one, journal/journaltest, and keeps
// its promises: an entry is whole or absent, and durable when Append returns.
//
// # Durability
//
// A write is one transaction, most often one message to the server and one back.
// Every connection sees to it that synchronous_commit is on (or remote_apply), and
// one that may write refuses a server with fsync off. Outcomes, taken back uses
// and counts of windows alone do not wait for the disk: the next Append makes
// them durable with it, since the server's log is one.
//
// Appends share no transaction with each other: they come over connections of
// their own, and PostgreSQL gathers their commits into one flush by itself. So
// one that fails, fails for itself.
//
// # Failing over
//
// Where the answer to a commit is lost, whether it happened is found out: the
// write is done again, and finds what it has stored by its ID. An answer that
// came without the standby's (the wait was cancelled) counts as lost. As long as
// that cannot be told, nothing is reported as stored; what was stored all the same
// is found later, as an entry in doubt. Of the URL's hosts the one that can be
// written is used; when it fails, or turns read-only, all connections are made anew.
// How long a write waits for that is bounded (patience), and so is each look at what
// is stored, page by page: a server or network that goes silent fails it. A proxy may
// also start while the server is away.
//
// It promises what the server promises: without a synchronous standby, a failover
// may lose what the old primary has confirmed.
//
// # Who is alive
//
// Each proxy holds an advisory lock in a session of its own for as long as it
// lives. That is a hint to the others, who settles what it has left in doubt, and
// no more: whoever settles asks the production server for the truth.
//
// # Storage
//
// What is large, keys and images, is partitioned by the entry's number. Entries leave
// by DELETE, the oldest first, few at a time, and the last one of a partition takes it
// along: its room is the disk's again at once, and nothing is left to vacuum. One
// in doubt keeps its partition, and nothing else in it. The next partition is made
// when half of the last one is used, by whoever stores then, and by whoever finds
// none. Keys are in blocks, compressed as in the embedded journal, and not again by
// the server.
//
// Answers to holds are asked for (a look-up by primary key), not notified: NOTIFY
// takes a lock of the whole server at commit, and what is lost with a connection
// would have to be asked for anyway.
package pgjournal
