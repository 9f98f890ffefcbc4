// Package crash kills the real program and the real server under load, and
// compares the journal with the truth. It has only tests.
//
// The truth is a table written by a trigger in the deleting transaction itself.
// Faults of the journal's disk are made by testdata/disk.c, which is preloaded into the
// proxy; where the clock jumps the proxy is built with another time.Now. SOAK=5m (`make soak`) makes the runs that long.
package crash
