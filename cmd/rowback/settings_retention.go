package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/journal/upkeep"
	"github.com/rowback/rowback/proxy"
)

// leastKept is the shortest age by which a journal is cut: incidents are noticed late.
const leastKept = 24 * time.Hour

func checkKeep(text string) error {
	if text == "" {
		return nil
	}
	d, err := parseAgo(text)
	if err != nil {
		return fmt.Errorf("%q is no age such as 90d or 720h", text)
	}
	if d < leastKept {
		return fmt.Errorf("%s is less than a day: what is deleted by mistake is often found out later", text)
	}
	return nil
}

// checkKept: windows are begun anew from the journal.
func (s *settings) checkKept(p policy.Policy) error {
	keep, err := parseAgo(s.JournalKeep)
	if s.JournalKeep == "" || err != nil { // said elsewhere
		return nil
	}
	for _, r := range append([]policy.Rule{p.Default}, p.Rules...) {
		for _, w := range r.Windows {
			if w.Per > keep {
				return fmt.Errorf("%s is shorter than a window of rule %q, %s, which counts by the journal", s.JournalKeep, r.Name, w.Per)
			}
		}
	}
	return nil
}

// minMessage leaves room for what any client sends and any server says.
const minMessage = 64 << 10

func checkMessage(text string) error {
	n, err := parseSize(text)
	if err == nil && n != 0 && (n < minMessage || n > proxy.DefaultMaxMessage) {
		err = fmt.Errorf("%s is not between 64KiB and 1GiB", text)
	}
	return err
}

func checkSize(text string) error {
	_, err := parseSize(text)
	return err
}

// parseSize reads a number of bytes, with a decimal (GB) or binary (GiB) unit; ""
// is 0: no limit.
func parseSize(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	number := strings.TrimRight(text, "BKMGTibkmgt ")
	factor, ok := map[string]float64{"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40}[strings.ToLower(strings.TrimSpace(text[len(number):]))]
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !ok || math.IsNaN(n) || n <= 0 || n*factor > math.MaxInt64/2 {
		return 0, fmt.Errorf("%q is no size such as 50GB or 512MiB", text)
	}
	return int64(n * factor), nil
}

// limits are what the settings, which are valid, let the journal keep.
func (s *settings) limits() upkeep.Limits {
	keep, _ := parseAgo(s.JournalKeep)
	size, _ := parseSize(s.JournalMaxSize)
	return upkeep.Limits{Keep: keep, Size: size}
}

// compactEvery is how often a proxy looks whether its journal is over its limits.
const compactEvery = time.Hour

// keepJournal keeps a journal within limits until ctx ends.
func keepJournal(ctx context.Context, j journal.Journal, l upkeep.Limits, logger *slog.Logger) {
	if l == (upkeep.Limits{}) {
		return
	}
	for {
		switch done, err := upkeep.Compact(ctx, j, l, time.Now(), false); {
		case errors.Is(err, journal.ErrInDoubt), ctx.Err() != nil: // another time
		case err != nil:
			logger.Warn("the journal could not be kept within its limits", "error", err)
		case done.Entries+done.Approvals > 0 || done.Over > 0:
			logger.Info("old entries were removed from the journal", "entries", done.Entries, "bytes", done.Bytes, "approvals", done.Approvals, "left", done.Left, "over", done.Over)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(compactEvery):
		}
	}
}
