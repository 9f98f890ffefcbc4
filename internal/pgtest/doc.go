// Package pgtest runs throwaway PostgreSQL clusters from the binaries found on
// this machine: for the tests, and for `rowback demo`.
//
// A cluster lives in one temporary directory, listens on loopback and on a unix
// socket in that directory, and is gone after Stop. As root, whom PostgreSQL
// refuses, its processes run as another user.
package pgtest
