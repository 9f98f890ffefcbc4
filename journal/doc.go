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
// sees half of its keys; readers and one writer work at the same time, also
// from other processes. It does not decide anything: guard writes records,
// recovery and the command line read them.
package journal
