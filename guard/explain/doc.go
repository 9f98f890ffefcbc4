// Package explain says, without running it, which rules of a policy a statement
// falls under, table by table, and what each would do.
//
// With a catalog the tables are those that the text names and those that its
// cascades reach; without one the text's alone. How many rows a statement would
// remove, and so whether it is over a limit, only running it shows. What
// functions, triggers and rules remove is counted when it happens; here it is
// said that they may.
//
// A bare name is looked up as the connection does it that the catalog came
// from; a client's own search_path may have it mean another table.
package explain
