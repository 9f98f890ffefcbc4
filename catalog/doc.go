// Package catalog holds one immutable snapshot of a database's catalog: its
// tables, their identity columns, the foreign keys between them, and what may
// delete from what (triggers, rules, functions, views).
//
// A snapshot is loaded through any connection that can run a query, so the
// proxy can load it in a client's own session, without credentials of its own:
// five queries, every name and operator in them pg_catalog's, nothing changed
// in the session. It is as fresh as its Fingerprint; the guard's cross-check
// with the server's own counters catches what a stale snapshot misses.
//
// # Reach
//
// What may delete starts at the bodies of functions and at rules, and spreads
// to all that calls, reads or writes what may: functions by name, whatever the
// overload; triggers, rules, views, defaults, checks, generated columns, index
// expressions, policies and domains as pg_depend has them; partitions and
// inheritance children; ON UPDATE actions. Bodies in SQL and PL/pgSQL are read
// word by word by PostgreSQL's own lexer (see body); dynamic EXECUTE, DO, other
// languages, and text that cannot be read may do anything. A name too many
// costs time; none may be missing.
//
// # Limits
//
//   - C functions of extensions known to be harmless are trusted, and those of
//     any extension that are IMMUTABLE or callable by the server alone. The
//     server's own functions are trusted, except those that run text.
//   - Handlers of languages, foreign-data wrappers and access methods, hooks of
//     loaded libraries and background workers are not looked at; nor is what
//     statements at the other end of dblink or a foreign table do, beyond
//     dblink's own functions being taken for unknown.
//   - Large objects are not rows of a table of record.
//   - INSERT and UPDATE are one: a table whose UPDATE trigger deletes is unsafe
//     to write to. A cursor deletes when it is fetched from, not where its query
//     is named: that is for the guard to see.
//   - PostgreSQL 13 and newer. A snapshot of 10,000 tables with 100,000 columns
//     takes about a second of processor time, half of it the server's, and 20 MB.
package catalog
