// Package drill rehearses incidents on scratch copies: rows are deleted through
// a real proxy, restored from the journal and the backup, and every table is
// compared with what it was, row by row. In some rounds the proxy or the server
// is killed in the middle of the deletion.
//
// All of it happens in a throwaway server made for the purpose from the dump:
// no other server is written to. Triggers and functions of the copy do run; one
// that reaches out (dblink, foreign tables, untrusted languages) reaches out.
//
// A round passes if the journal and the database tell the same, no row is lost
// after the restore, and none is changed. What triggers did to other rows
// during the deletion is not undone by a restore, and so found and reported.
package drill
