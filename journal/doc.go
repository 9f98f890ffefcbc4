// Package journal is the durable record of deletions: which rows left, in
// which transaction, by whose hand, and how that transaction ended.
//
// An Entry is appended before its transaction is allowed to commit, and is
// durable (fsynced) when Append returns. Its Outcome starts as InDoubt for a
// deletion about to commit and is settled afterwards; an entry that is still
// in doubt after a crash is settled from the server's own account.
//
// Keys are kept apart from their entry, in compressed blocks, so that listing
// the log costs nothing per row and an entry may hold many millions of keys.
//
// The package promises: an entry is either whole or absent; a reader never
// sees half of its keys; readers and writers work at the same time, also from
// other processes. Missing or damaged keys are an error, never a shorter list.
// After a failed Append (a full disk) a later one succeeds without reopening.
// It does not decide anything: guard writes records, recovery and the command
// line read them.
//
// # Approvals
//
// The journal is also where people let deletions go over the limits, and
// where proxies find out: allowances, with the use that each transaction has of
// them, and holds, statements that wait for an answer. Both are kept for good, as
// entries are. The sum of an allowance's uses never exceeds its rows, and of
// several answers to a hold the first one stands, however many processes write
// at the same time. A use is as durable as an entry, so at worst a crash leaves
// one behind whose transaction never committed: to be taken back when that is known.
//
// Who may write the journal may allow: there are no other rights.
//
// # The embedded journal
//
// A directory with one SQLite file in write-ahead mode, synced at every commit
// but those of outcomes alone: one lost with the machine's power is found out
// again, as after a crash.
// Appends that wait at the same time share one transaction, and so one sync.
// The driver is the cgo one: pg_query needs cgo anyway.
//
// A proxy holds the directory's lock; tools read and write beside it. The file
// must be on a local disk: SQLite's locks and shared memory do not work over
// network file systems. Where the disk itself fails to sync, Append fails, but
// the entry may be found after a crash: then as one in doubt, to be settled.
//
// If the file is removed while it is open, appending fails until it is back, or
// until there is an empty directory in its place: a new journal is begun there.
package journal
