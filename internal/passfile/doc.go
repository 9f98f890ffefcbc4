// Package passfile says that a server wanted a password and none was found, which its
// answer, the same as to a wrong one, does not tell. It looks for no password itself: pgconn does.
package passfile
