// Package check looks for what should not be in a database: rows that refer to
// no parent, values that are twice where a unique index allows them once,
// sequences behind their column, and what the user's own queries find.
//
// All is read in one snapshot, in a transaction that cannot write, and table by
// table from the tables themselves: an index that is damaged, or that was
// slipped past with session_replication_role = replica, does not hide what it
// should have prevented. A check that cannot be made (for want of a privilege,
// say) is a problem too, never silence.
//
// Not looked at: exclusion constraints, CHECK and NOT NULL constraints, foreign
// keys that are NOT ENFORCED, operator classes whose equality is not the type's
// own. Of a problem a few rows are listed by key, all are counted.
package check
