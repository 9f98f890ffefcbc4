// Package pgtest runs throwaway PostgreSQL clusters from the binaries found on
// this machine: for the tests, and for `rowback demo`.
//
// A cluster lives in one temporary directory, listens on loopback and on a unix
// socket in that directory, and is gone after Stop. As root, whom PostgreSQL
// refuses, its processes run as another user.
//
// The tests run on the version found, or on that of $PGBIN; copies of databases
// (Recovery) on that of $PGBIN_RECOVERY. scripts/versions gets other versions.
//
// On Linux a cluster does not outlive the process that started it, even one
// that is killed (unless it was detached); the directory which is then left
// behind is removed by the next Start. Elsewhere a killed process leaves its
// servers running.
package pgtest
