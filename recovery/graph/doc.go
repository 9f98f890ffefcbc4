// Package graph draws the foreign keys around tables: who refers to whom, and
// what a deletion takes with it or cuts loose. It knows four forms: text,
// Graphviz DOT, Mermaid, and SVG that needs no other program.
//
// A partitioned table is one node; foreign keys of its partitions alone are
// shown as its own. Views and plain inheritance are not shown. Row numbers of
// tables are the planner's estimates; those of an incident are exact, as the
// journal has them.
package graph
