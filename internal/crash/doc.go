// Package crash kills the real program and the real server under load, and
// compares the journal with the truth. It has only tests.
//
// The truth is a table written by a trigger in the deleting transaction itself.
// SOAK=5m (`make soak`) makes the runs that long.
package crash
