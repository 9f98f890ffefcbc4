// Package alert tells people, at once, of removals over a limit and of statements
// that wait for an operator's word.
//
// An Alerter has sinks: a webhook, Slack (and what speaks like it), Alertmanager,
// PagerDuty, a local command. Each sink has a queue and a goroutine of its own, so
// that one which is slow or down delays no other, and a second pair for held
// statements, which wait behind nothing else. Telling it never blocks: a full
// queue drops the notice, and counts it.
//
// A delivery that fails for a reason that may pass is tried again, for an hour; between
// tries, all that is queued for that sink waits, for a minute at most, or as long as the
// other side says (Retry-After). Notices alike (database, user,
// rule, tables, outcome) within a sink's repeat time are told as one, the last,
// which says how many it stands for. Holds are always told.
//
// When Run is told to end, what is queued is tried once more, for a few seconds
// in all. Notices are not durable: the journal is, and has every one of them.
//
// # What is told
//
// Numbers, names and references, never the rows' contents. A statement's text may
// hold such contents: a sink gets it only with sql: true. Secrets (routing keys, the
// path and query of a URL, headers, whatever comes from the environment) appear in
// no log or error, and what the other side answers is shown without them, or not at
// all by a sink with sql: true.
//
// Delivery is at least once: an answer that is lost means a second try. PagerDuty and
// Alertmanager know a notice by its reference and take it once.
package alert
