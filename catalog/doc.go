// Package catalog holds one immutable snapshot of a database's catalog: its
// tables, their identity columns, the foreign keys between them, and what may
// delete from what (triggers, rules, functions, views).
//
// A snapshot is loaded through any connection that can run a query, so the
// proxy can load it in a client's own session, without credentials of its own.
// It is as fresh as its Fingerprint; the guard's cross-check with the server's
// own counters catches what a stale snapshot misses.
package catalog
