package alert

import (
	"time"

	"github.com/rowback/rowback/journal"
)

// Message is a notice as a sink gets it: the JSON of a webhook and of a command,
// and what a template is given.
type Message struct {
	Kind     Kind      `json:"kind"`
	ID       string    `json:"id"` // the reference, for rowback log, restore, allow and deny
	Time     time.Time `json:"time"`
	Severity string    `json:"severity"` // critical, warning or info
	Text     string    `json:"text"`     // all of it in a line, for people
	Title    string    `json:"title"`    // what happened, in a few words
	What     string    `json:"what"`     // the numbers, and the limit
	Who      string    `json:"who,omitempty"`
	Leave    string    `json:"leave,omitempty"` // by whose leave it went over a limit
	Next     string    `json:"next,omitempty"`  // what to do, with the commands

	Proxy       string  `json:"proxy,omitempty"`
	Database    string  `json:"database,omitempty"`
	User        string  `json:"user,omitempty"`
	Application string  `json:"application,omitempty"`
	Client      string  `json:"client,omitempty"`
	Rule        string  `json:"rule,omitempty"`
	Rows        int64   `json:"rows"`
	AtLeast     bool    `json:"at_least,omitempty"`  // a hold that was counted up to just over the limit
	Uncounted   bool    `json:"uncounted,omitempty"` // a hold for the statement's kind, whose rows nobody knows yet
	Tables      []Share `json:"tables,omitempty"`

	More     int   `json:"more,omitempty"`      // notices alike that this one stands for, too
	MoreRows int64 `json:"more_rows,omitempty"` // and their rows

	SQL   []string       `json:"sql,omitempty"` // only with sql: true
	Entry *journal.Entry `json:"entry,omitempty"`
	Hold  *journal.Hold  `json:"hold,omitempty"`

	notice *Notice
}

// Share is one table's part.
type Share struct {
	Table string `json:"table"` // with its schema, unless that is public
	Rows  int64  `json:"rows"`
	Via   string `json:"via"`
}

// maxStatements and maxShares bound what of an entry is sent: a transaction may
// have a million of them.
const (
	maxStatements = 20
	maxShares     = 200
)

// message is the notice for a sink that is told statement texts or not.
func (n *Notice) message(sql bool) *Message {
	m := &Message{
		Kind: n.Kind, ID: n.ID(), Time: n.Time, Severity: n.severity(), Text: n.line(), Title: n.headline(), What: n.what(),
		Who: n.who(), Leave: n.leave(), Next: n.next(), Proxy: n.proxy, Rows: n.Rows(), Tables: n.shares(), More: n.More, MoreRows: n.MoreRows, notice: n,
	}
	switch {
	case n.Entry != nil:
		e := *n.Entry
		m.Proxy, m.Database, m.User, m.Application, m.Client, m.Rule = e.Proxy, e.Database, e.User, e.Application, e.Client, e.Rule
		e.Tables = e.Tables[:min(len(e.Tables), maxShares)]
		e.Statements = append([]journal.Statement(nil), e.Statements[:min(len(e.Statements), maxStatements)]...)
		for i := range e.Statements {
			if sql {
				m.SQL = append(m.SQL, e.Statements[i].SQL)
			} else {
				e.Statements[i].SQL = ""
			}
		}
		m.Entry = &e
	case n.Hold != nil:
		h := *n.Hold
		h.CancelKey = "" // whose it is, is for proxies
		m.Proxy, m.Database, m.User, m.Application, m.Client, m.Rule, m.AtLeast, m.Uncounted = h.Proxy, h.Database, h.User, h.Application, h.Client, h.Rule, h.AtLeast, h.Uncounted
		if sql {
			m.SQL = []string{h.SQL}
		} else {
			h.SQL = ""
		}
		m.Hold = &h
	}
	return m
}

// shares are an entry's tables, those named several ways (by statement and by
// cascade) apart.
func (n *Notice) shares() []Share {
	if n.Entry == nil {
		return nil
	}
	var out []Share
	for _, t := range n.Entry.Tables {
		if t.Rows != 0 && len(out) < maxShares {
			out = append(out, Share{Table: name(t), Rows: t.Rows, Via: string(t.Via)})
		}
	}
	return out
}
