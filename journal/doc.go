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
// # Images
//
// Where the policy asks for it an entry also holds the image of each row: the
// whole row as it was (Image). They are kept apart from the keys, in one run of
// bytes that is cut into blocks of 256 KiB, so that a row of a gigabyte costs no
// more memory than itself, and ten million small ones that of a block: up to
// 4 MiB of packed blocks stay in memory while a transaction is gathered, the rest
// is in a temporary file without a name.
//
// With Options.Key images are encrypted (AES-256-GCM, a key for each entry by
// HKDF) before they leave memory, that temporary file included. Blocks are sealed
// before their entry has an ID, and may be sealed again after a rolled-back
// savepoint: so what is proved with each is the number of its set and its own
// number in it, nonces are random, and one more seal ties the set, with its number
// of rows and blocks, to the entry's ID. Rows name their tables under the seal.
// Keys, statements and names stay readable without the key. Where there is a key,
// images are never written without it; older ones stay as they are. A lost key
// cannot be replaced: its images are lost.
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
// # Implementations
//
// The embedded journal is here, the one that several proxies share in package
// pgjournal; package journals opens either, package upkeep looks after both, and
// journaltest is the suite that both pass.
//
// # The embedded journal
//
// A directory with one SQLite file in write-ahead mode, synced at every commit
// but those of outcomes alone: one lost with the machine's power is found out
// again, as after a crash.
// Appends that wait at the same time share one transaction, and so one sync.
// The driver is the cgo one: pg_query needs cgo anyway.
//
// A proxy holds the directory's lock; tools read and write beside it, and so does a
// proxy that takes over from it (Options.Lock), until its last session has ended:
// one lock, held by both. SQLite has one writer at a time, whoever's it is. The file
// must be on a local disk: SQLite's locks and shared memory do not work over
// network file systems. Where the disk itself fails to sync, Append fails, but
// the entry may be found after a crash: then as one in doubt, to be settled.
//
// If the file is removed while it is open, appending fails until it is back, or
// until there is an empty directory in its place: a new journal is begun there.
package journal
