package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/rowback/rowback/journal"
)

// filterFlags are the flags that select journal entries.
type filterFlags struct {
	since, until                             string
	table, user, database, application, kind string
	outcome                                  string
	minRows                                  int64
}

func (f *filterFlags) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&f.since, "since", "", "not before `TIME`: RFC 3339, a date (UTC), or a duration ago such as 90m, 2h or 7d")
	flags.StringVar(&f.until, "until", "", "not after `TIME`, likewise; a date or second counts whole")
	flags.StringVar(&f.table, "table", "", "entries that touched `TABLE`: name or schema.name")
	flags.StringVar(&f.user, "user", "", "by database user `NAME`")
	flags.StringVar(&f.database, "database", "", "in database `NAME`")
	flags.StringVar(&f.application, "application", "", "by application_name `NAME`")
	flags.StringVar(&f.outcome, "outcome", "", "`committed|rolled_back|blocked|in_doubt`")
	flags.StringVar(&f.kind, "kind", "", "`deletion|restore`")
	flags.Int64Var(&f.minRows, "min-rows", 0, "entries that removed `N` rows or more")
}

// filterNames are the flags of addFlags.
var filterNames = []string{"since", "until", "table", "user", "database", "application", "outcome", "kind", "min-rows"}

// firstGiven is the first of these flags that was given, "" if none was.
func firstGiven(f *pflag.FlagSet, names ...string) string {
	for _, name := range names {
		if f.Changed(name) {
			return name
		}
	}
	return ""
}

// filter is the journal's form of the flags; its errors are usage errors.
func (f *filterFlags) filter(now time.Time) (journal.Filter, error) {
	out := journal.Filter{
		Table:       unquoted(f.table),
		User:        f.user,
		Database:    f.database,
		Application: f.application,
		Kind:        journal.Kind(f.kind),
		Outcome:     journal.Outcome(f.outcome),
		MinRows:     f.minRows,
	}
	fail := func(flag string, err error) (journal.Filter, error) {
		return journal.Filter{}, usageError(fmt.Errorf("--%s: %w", flag, err))
	}
	if f.outcome != "" {
		if err := checkOneOf(f.outcome, "committed", "rolled_back", "blocked", "in_doubt"); err != nil {
			return fail("outcome", err)
		}
	}
	if f.kind != "" {
		if err := checkOneOf(f.kind, "deletion", "restore"); err != nil {
			return fail("kind", err)
		}
	}
	if f.minRows < 0 {
		return fail("min-rows", fmt.Errorf("%d is below zero", f.minRows))
	}
	since, err := parseSince(f.since, now)
	if err != nil {
		return fail("since", err)
	}
	until, err := parseUntil(f.until, now)
	if err != nil {
		return fail("until", err)
	}
	if !since.IsZero() && !until.IsZero() && until.Before(since) {
		return fail("until", fmt.Errorf("%s lies before --since", f.until))
	}
	out.Since, out.Until = since, until
	return out, nil
}

// unquoted is a table's name as the journal's filter takes it.
func unquoted(table string) string {
	schema, name := journal.SplitName(table)
	if schema == "" {
		return name
	}
	return schema + "." + name
}

// parseSince is the first instant that text names, the zero time for "".
func parseSince(text string, now time.Time) (time.Time, error) {
	t, _, err := parseTime(text, now)
	return t, err
}

// parseUntil is the last instant that text names: a time is printed cut to the
// second, and copied from there it must still select its entry.
func parseUntil(text string, now time.Time) (time.Time, error) {
	t, span, err := parseTime(text, now)
	if err != nil || span == 0 {
		return t, err
	}
	return t.Add(span - time.Nanosecond), nil
}

// parseTime reads a point in time and how much time its text stands for.
func parseTime(text string, now time.Time) (time.Time, time.Duration, error) {
	if text == "" {
		return time.Time{}, 0, nil
	}
	for _, form := range []struct {
		layout string
		span   time.Duration
	}{
		{time.RFC3339, time.Second},
		{time.DateTime, time.Second},
		{"2006-01-02 15:04", time.Minute},
		{time.DateOnly, 24 * time.Hour},
	} {
		t, err := time.Parse(form.layout, text)
		if err != nil {
			continue
		}
		if strings.Contains(text, ".") { // a fraction names an instant
			form.span = 0
		}
		return t.UTC(), form.span, nil
	}
	ago, err := parseAgo(text)
	if err != nil {
		return time.Time{}, 0, fmt.Errorf("%q is no time; give one such as 2026-01-31T12:00:00Z, a date such as 2026-01-31, or a duration ago such as 2h or 7d", text)
	}
	return now.Add(-ago).UTC(), 0, nil
}

// parseAgo is time.ParseDuration with days and weeks.
func parseAgo(text string) (time.Duration, error) {
	for unit, length := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			n, err := strconv.ParseUint(number, 10, 15)
			if err == nil && n > uint64(math.MaxInt64/length) {
				err = fmt.Errorf("%q is too long", text)
			}
			return time.Duration(n) * length, err
		}
	}
	d, err := time.ParseDuration(text)
	if err == nil && d < 0 {
		err = fmt.Errorf("%q lies in the future", text)
	}
	return d, err
}
