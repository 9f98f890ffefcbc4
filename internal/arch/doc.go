// Package arch is a test: it holds the imports that are forbidden between our
// packages, each with its reason, and that every package says what it is.
//
// The allowed direction, for orientation:
//
//	cmd → proxy
//	cmd → guard    → {proxy's interfaces, sqlparse, catalog, journal}
//	cmd → recovery → {catalog, journal}
//	cmd → doctor   → {guard's policy and alert, proxy, recovery, catalog, journal}
package arch
