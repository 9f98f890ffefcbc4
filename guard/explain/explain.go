package explain

import (
	"context"
	"fmt"
	"slices"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/sqlparse"
)

// Options of an explanation.
type Options struct {
	Policy  policy.Policy
	Subject policy.Subject // whose session it would be in
	SQL     string
	Tables  []sqlparse.Name // tables that it removes from besides, as somebody knows

	// Catalog is of the database that it would run in; nil: by the text alone.
	Catalog *catalog.Snapshot
	// Resolve says which table a name means, nil if none; only with Catalog.
	Resolve func(context.Context, sqlparse.Name) (*catalog.Table, error)
}

// Explanation is what the policy says of a text.
type Explanation struct {
	Database    string      `json:"database"`
	User        string      `json:"user"`
	Application string      `json:"application"`
	Client      string      `json:"client"` // an address, or local
	By          string      `json:"by"`     // "catalog", or "text": only the tables that it names are known
	Statements  []Statement `json:"statements"`
}

// Statement is one statement of the text.
type Statement struct {
	SQL     string   `json:"sql"`
	Kind    string   `json:"kind"`    // for people: DELETE, TRUNCATE, …
	Outcome Outcome  `json:"outcome"` // what is known before it runs
	Why     string   `json:"why"`
	Tables  []Table  `json:"tables"`
	Notes   []string `json:"notes,omitempty"`
}

// Outcome is what becomes of a statement as far as its text tells.
type Outcome string

const (
	Plain   Outcome = "not_judged" // it removes nothing, or nothing that is judged
	Judged  Outcome = "judged"     // by how many rows it removes
	Refused Outcome = "refused"    // whatever it removes
	Held    Outcome = "held"       // likewise, until somebody decides
	Alerted Outcome = "alerted"    // likewise it goes through, and people are told
)

// Table is a table that rows may leave, and the rule for it.
type Table struct {
	Table string      `json:"table"` // "" : one that is not known
	Via   string      `json:"via"`   // direct, cascade, set_null, view, named; "" : not known
	Rule  string      `json:"rule"`
	For   string      `json:"for"`  // whom the rule is for
	Mode  policy.Mode `json:"mode"` // what it does over a limit
	Does  string      `json:"does"` // all that it does
	rule  *policy.Rule
	aim   bool // the statement itself names it
}

// Explain explains. Its errors are Resolve's.
func Explain(ctx context.Context, o Options) (*Explanation, error) {
	x := &explainer{o: o, sheet: o.Policy.For(o.Subject)}
	out := &Explanation{Database: o.Subject.Database, User: o.Subject.User, Application: o.Subject.Application, Client: "local", By: "text", Statements: []Statement{}}
	if o.Subject.Address.IsValid() {
		out.Client = o.Subject.Address.String()
	}
	if o.Catalog != nil {
		out.By = "catalog"
	}
	for _, st := range sqlparse.Parse(o.SQL) {
		s, err := x.statement(ctx, st)
		if err != nil {
			return nil, err
		}
		out.Statements = append(out.Statements, s)
	}
	return out, nil
}

type explainer struct {
	o     Options
	sheet *policy.Sheet
	out   *Statement // being made
}

func (x *explainer) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(x.out.Notes, text) {
		x.out.Notes = append(x.out.Notes, text)
	}
}

func (x *explainer) statement(ctx context.Context, st sqlparse.Statement) (Statement, error) {
	out := Statement{SQL: st.Text, Kind: kind(st), Tables: []Table{}}
	x.out = &out
	if plain(st) && len(x.o.Tables) == 0 {
		if why := x.mayDelete(st); why != "" {
			out.Outcome, out.Why = Judged, why
			x.unknown()
			return out, nil
		}
		out.Outcome, out.Why = Plain, "it removes no rows"
		if x.o.Catalog == nil {
			out.Why = "by its text it removes no rows; whether functions or triggers do is not known without a connection"
		}
		return out, nil
	}
	if err := x.tables(ctx, st); err != nil {
		return out, err
	}
	x.decide(st)
	return out, nil
}
