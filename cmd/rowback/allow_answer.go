package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rowback/rowback/journal"
)

// answerOptions are the flags of an answer to a held statement.
type answerOptions struct {
	reason, by string
}

func (o *answerOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.reason, "reason", "", "`TEXT` that is kept with it")
	byFlag(f, &o.by)
}

func (o *answerOptions) apply(g *grantOptions) { g.reason, g.by = o.reason, o.by }

// runAnswer decides about the held statement with this ID: Granted or Denied.
func runAnswer(cmd *cobra.Command, s *settings, o answerOptions, id string, answer journal.HoldState) (err error) {
	if id == "" {
		return usageError(errors.New("the ID is empty"))
	}
	ctx := cmd.Context()
	j, err := openApprovals(ctx, s, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	now := time.Now()
	h, err := j.Decide(ctx, id, answer, whoami(o.by, s.env), o.reason, now)
	switch {
	case errors.Is(err, journal.ErrNotFound):
		return answerNotFound(ctx, j, id, err)
	case errors.Is(err, journal.ErrDecided) && h != nil:
		return tooLate(h)
	case err != nil:
		return approvalError(err, "")
	}
	if err := printHold(cmd.OutOrStdout(), s.Output, h, now); err != nil || answer != journal.Granted || s.Output == "json" {
		return err
	}
	more := fmt.Sprintf("if it removes more than %s by now", countOf(h.Rows, "row"))
	switch {
	case h.Uncounted:
		more = "if it removes more rows than the rule lets go"
	case h.AtLeast:
		more = "if it runs into another rule"
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "It goes on within a second if its client and proxy are still there, and has an entry (rowback log %s) when it commits; %s, it waits again under another ID (rowback allow holds).\n", h.ID, more)
	return nil
}

// tooLate says what became of a hold that no longer waits, and what can be done.
func tooLate(h *journal.Hold) error {
	switch again := "grant an allowance (`rowback allow --rows …`) and have it run again"; h.State {
	case journal.Granted, journal.Denied:
		why := ""
		if h.Reason != "" {
			why = ": " + oneLine(h.Reason, 200)
		}
		return fmt.Errorf("%s was %s already, by %s at %s%s", h.ID, h.State, oneLine(h.By, 80), shortTime(h.Decided), why)
	case journal.Expired:
		return fmt.Errorf("%s waited until %s, nobody answered, and it was refused; %s", h.ID, shortTime(h.Expires), again)
	default:
		return fmt.Errorf("%s no longer waits: its client or its proxy ended at %s; %s", h.ID, shortTime(h.Decided), again)
	}
}

// answerNotFound looks whether the ID is one of something else: all of them look
// alike, and the error that a client got has the ID of an entry.
func answerNotFound(ctx context.Context, j journal.Journal, id string, err error) error {
	if e, _ := j.Entry(ctx, id); e != nil {
		return fmt.Errorf("%s waits for no answer: it is an entry of the log, %s; to let another one like it through, grant an allowance and have it run again:\n  %s",
			e.ID, e.Outcome, allowLike(e))
	}
	all, _ := j.Allowances(ctx, time.Time{})
	for _, a := range all {
		if a.ID == id {
			return fmt.Errorf("%s is an allowance, not a statement that waits; `rowback allow revoke %[1]s` ends it", a.ID)
		}
	}
	return approvalError(err, "rowback allow holds")
}

// allowLike is the command that grants what an entry's transaction would need.
func allowLike(e *journal.Entry) string {
	args := []string{"rowback", "allow", "--rows", fmt.Sprint(e.Rows)}
	for _, t := range e.Tables {
		name := shellWord(journal.QuoteName(t.Schema, t.Name))
		if t.Via != journal.Cascade && t.Via != journal.SetNull && t.Via != journal.SetDef && !slices.Contains(args, name) {
			args = append(args, "--table", name)
		}
	}
	return strings.Join(append(args, "--user", shellWord(e.User), "--database", shellWord(e.Database), "--once"), " ")
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./@%+:=,-]+$`)

// shellWord is text as one word of a command line.
func shellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
