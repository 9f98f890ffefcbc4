// Package sqlparse says from a statement's text what it may remove or update,
// and rewrites a DELETE or UPDATE so that the server also reports which rows it
// removed or changed.
//
// It is pure: no connection, no catalog, no state. Stages, each a file or two:
//
//   - Names.Scan (scan.go): a byte scan that tells nearly every harmless text
//     in well under a microsecond. It may ask for a look in vain; it never
//     misses a statement that Parse would report, nor a name it was given.
//   - Parse (parse.go, classify.go): PostgreSQL's own parser (pg_query, the
//     grammar of PostgreSQL 16) and one verdict a statement. It never fails:
//     what does not parse is Unknown, never Plain.
//   - Statement.Capture (capture.go, cascade.go, print.go): the DELETE with its
//     cascades, written as one statement that also returns every key.
//   - ImageExpr (image.go): an expression for a whole row, in its types' own binary
//     forms, which Capture can return as well.
//   - Statement.Probe (probe.go, pieces.go): a SELECT that counts beforehand, up
//     to a limit, what a DELETE or UPDATE would remove or change.
//
// Besides, what a statement asks for by a leading comment (allowance.go).
//
// What the text cannot tell is the caller's to find out: what functions,
// triggers, rules, views, operators and foreign tables do; what a prepared
// statement or an open cursor runs (PREPARE and DECLARE are Plain, and FETCH
// does not name what it runs).
//
// A captured DELETE that cascades is a larger query than the bare one: with
// jit on the server may compile it, which takes longer than small ones run.
//
// Limits. Syntax newer than PostgreSQL 16 is Unknown, and so is a text nested
// deeper than maxDepth (the parser recurses on the C stack; a thread needs the
// usual 8 MiB). Scripts of CREATE EXTENSION and ALTER EXTENSION … UPDATE are
// not looked into (Plain, DDL). DROP VIEW … CASCADE is Plain although it drops
// a table that is partitioned by an expression over the view's row type.
// Names are reported in the client's encoding. Arrays, multiranges and rows of
// date/time, float, money or bytea values are refused as keys (ErrKeyType).
package sqlparse
