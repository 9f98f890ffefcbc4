package alert

import (
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/journal"
)

func TestText_Line(t *testing.T) {
	b, c, h := blocked("app"), committed("app"), hold()
	b.ID, c.ID, h.ID = "B1", "C1", "H1"
	c.Allowed = []journal.Allowed{{By: "eve", How: "allowance", Reason: "batch 7"}}
	small := *c
	small.Alert = ""
	more := ofEntry(b)
	more.More, more.MoreRows = 3, 1
	for want, n := range map[string]Notice{
		"rowback: blocked a statement in shop: DELETE would remove 50 rows (orders 20, payments 30), limit 10, by app with psql from 10.0.0.5:4122, rule nightly (reference B1)":                                                               ofEntry(b),
		"rowback: blocked a statement in shop: DELETE would remove 50 rows (orders 20, payments 30), limit 10, by app with psql from 10.0.0.5:4122, rule nightly, and 3 more like it (1 row) (reference B1)":                                   more,
		"rowback: rows over the limit were removed in shop: DELETE removed 50 rows (orders 20, payments 30), limit 10, by app with psql from 10.0.0.5:4122, rule nightly (reference C1); the keys of 30 rows are not recorded: no primary key": ofEntry(c),
		"rowback: rows were removed in shop whose keys are not recorded: removed 50 rows within the limits, by app with psql from 10.0.0.5:4122, rule nightly (reference C1); the keys of 30 rows are not recorded: no primary key":            ofEntry(&small),
		"rowback: a statement in shop waits for your word: DELETE would remove more than 1000 rows (orders), by app with job from 10.0.0.5:4122, rule nightly (reference H1); answer with rowback allow H1 or rowback deny H1":                 ofHold(h),
		"rowback: this is a test of rowback's alerts: Alerts from p9 reach this place. Nothing happened.":                                                                                                                                      {Kind: Test, id: "T1", proxy: "p9"},
	} {
		if got := n.line(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestText_NextSaysWhatToDo(t *testing.T) {
	b, c, h := blocked("it's me"), committed("app"), hold()
	b.ID, c.ID, h.ID = "B1", "C1", "H1"
	h.Expires = time.Date(2026, 11, 25, 11, 0, 0, 0, time.UTC)
	verb := blocked("app")
	verb.ID, verb.Rows = "V1", 0
	denied := ofEntry(b)
	denied.Denied = "alice"
	for want, n := range map[string]Notice{
		`Nothing was removed. See it: rowback log B1. If it is meant: rowback allow --rows 50 --for 10m --once --user 'it'\''s me' --database shop --table orders --reason WHY, then run it again.`: ofEntry(b),
		`Nothing was removed. See it: rowback log V1.`:                                                        ofEntry(verb),
		`Nothing was removed. See it: rowback log B1. To have it run all the same, ask alice, who denied it.`: denied,
		`The rows are gone. See them: rowback log C1. If it was a mistake: rowback restore C1 --dry-run, then without --dry-run. The keys of 30 rows are not recorded (no primary key): rowback diff finds those.`: ofEntry(c),
		`Let it run: rowback allow H1. Refuse it: rowback deny H1. With no answer it is refused at 2026-11-25T11:00:00Z.`:                                                                                          ofHold(h),
	} {
		if got := n.next(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestText_TablesAreExactAndBounded(t *testing.T) {
	e := committed("app")
	e.Tables = append(e.Tables, journal.Table{Schema: "public", Name: "logs", Rows: 4, Via: journal.SetNull})
	n := ofEntry(e)
	if got := n.tables(); got != "orders 20, audit.payments 30 (cascade), logs 4 (set null)" {
		t.Error(got)
	}
	for range 100 {
		e.Tables = append(e.Tables, e.Tables[0])
	}
	n = ofEntry(e)
	if got := n.tables(); !strings.HasSuffix(got, "and 78 more tables") {
		t.Error(got)
	}
}
