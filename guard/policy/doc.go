// Package policy says what a session may remove: rules that match sessions and
// tables, and the limits that each sets.
//
// # How a rule is found
//
// Rules stand in order. For a table that loses rows, the first rule whose
// databases, users, applications and networks match the session and whose tables
// match that table decides; where none does, the default (the proxy's own
// settings). A statement whose cascades reach tables of several rules is judged
// by each of them, over the rows of its own tables alone, and the strictest
// verdict stands. What a rule leaves out it takes from the default.
//
// It is pure: no connection, no clock, no state.
package policy
