// Package upkeep looks after journals of either kind: it verifies that all that
// was stored can be read, removes what is older or more than it should be, and
// carries entries from one journal to another.
//
// # Retention
//
// By age, everything that ended before a time goes; by size, the oldest entries,
// until what is left is small enough. Never removed are entries in doubt, allowances
// that are live, holds that wait, and, by size alone, entries younger than a day:
// people look for these first, and windows are begun from them.
//
// Removed evidence is gone: what it told of can be found by diff alone.
//
// # Export
//
// JSON lines hold everything, and Import takes them. An entry comes as
//
//	{"entry": {…}}                      as `rowback log --output json` prints it
//	{"keys": [[0, "1"], [0, null]]}     the index of the table, and the values; as often as need be
//	{"images": {…}}, {"block": "…"}     images of rows as they are stored, blocks in base64
//	{"end": {"id": …, "keys": 2}}       without it the entry is incomplete
//	{"removed": …}                      in place of it: the entry has left the journal meanwhile
//
// and approvals as {"allowance": {…}} and {"hold": {…}}. Images that are encrypted
// stay so, and need the key of the journal that they were written by. CSV is for
// spreadsheets: a line for each key.
package upkeep
