// Package model makes random schemas for tests of whole incidents, and says by
// the rules alone what a restore must lead to: tables with keys of any kind,
// references of any action in any direction (circles, to oneself), unique
// values, partitions, inheritance, names that need quotes.
//
// The oracle works row by row on what tables held before and after; it shares no
// code with recovery and asks no server.
package model
