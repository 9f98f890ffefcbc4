// Package sqlparse says from a statement's text what it may remove, and
// rewrites a DELETE so that the server also reports which rows it removed.
//
// It is pure: no connection, no catalog, no state. Parsing is PostgreSQL's own
// parser (pg_query). What the text cannot tell (what a function, trigger or
// view does) is the caller's to find out; here such a statement is at least
// named. Text that does not parse is Unknown, never Plain.
package sqlparse
