package drill

import (
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/rowback/rowback/recovery"
	"github.com/rowback/rowback/recovery/diff"
)

// Report is the outcome of a drill; its JSON form is an outside contract.
type Report struct {
	Time time.Time `json:"time"`
	Dump string    `json:"dump,omitempty"`
	// Template is the database that was cloned, in place of a dump.
	Template string  `json:"template,omitempty"`
	Seed     uint64  `json:"seed"`
	Load     float64 `json:"load_seconds"` // making the recovery database, or the first clone: part of the time to recover where there is none yet
	Rounds   []Round `json:"rounds"`
	RTO      float64 `json:"rto_seconds"` // the longest time from the end of a deletion to all rows being back
	RPO      int64   `json:"rpo_rows"`    // rows that did not come back, of all rounds
	Failed   int     `json:"failed"`      // rounds
	Seconds  float64 `json:"seconds"`
}

// Round is one incident.
type Round struct {
	Number   int      `json:"round"`
	Kind     string   `json:"kind"` // random, worst
	Table    string   `json:"table"`
	Kill     string   `json:"killed"` // nothing, proxy, server, sessions
	Answer   string   `json:"answer"` // what the client was told: committed, or error with its SQLSTATE
	IDs      []string `json:"ids"`    // the journal's entries
	Removed  int64    `json:"removed"`
	Restored int64    `json:"restored"`
	Lost     int64    `json:"lost"`    // after the restore
	Changed  int64    `json:"changed"` // rows that are not as they were
	New      int64    `json:"new"`     // rows that triggers made during the deletion
	Delete   float64  `json:"delete_seconds"`
	Restore  float64  `json:"restore_seconds"`
	Recovery float64  `json:"recovery_seconds"` // restart, finding out, comparing and restoring
	OK       bool     `json:"ok"`
	Problems []string `json:"problems"`

	statement string
	killAfter time.Duration
}

func (r *Round) fail(format string, args ...any) {
	r.OK = false
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

func (r *Round) judge(after *diff.Report) {
	r.Lost = after.Lost
	for _, c := range after.Tables {
		r.Changed += c.Changed
		r.New += c.New
	}
	if r.Lost > 0 {
		r.fail("%s lost after the restore", recovery.Plural(r.Lost, "row"))
	}
	if r.Changed > 0 {
		r.fail("%s not as before, such as triggers and ON DELETE SET DEFAULT leave", recovery.Plural(r.Changed, "row"))
	}
}

func (r *Report) sum() {
	for _, x := range r.Rounds {
		r.RPO += x.Lost
		r.RTO = max(r.RTO, x.Recovery)
		if !x.OK {
			r.Failed++
		}
	}
}

// from is what was rehearsed on.
func (r *Report) from() string {
	if r.Template != "" {
		return "database " + r.Template
	}
	return r.Dump
}

func (r *Report) loading() string {
	if r.Template != "" {
		return "clone the database"
	}
	return "load the dump"
}

// Passed: every round did.
func (r *Report) Passed() bool { return r.Failed == 0 }

// WriteJSON prints the report as one line of JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// WriteText prints the report for people.
func (r *Report) WriteText(w io.Writer) {
	cells := [][]string{{"round", "killed", "removed", "restored", "lost", "delete", "recovery", "result"}}
	for _, x := range r.Rounds {
		cells = append(cells, []string{fmt.Sprintf("%d %s %s", x.Number, x.Kind, x.Table), x.Kill, recovery.Grouped(x.Removed), recovery.Grouped(x.Restored), recovery.Grouped(x.Lost),
			fmt.Sprintf("%.2f s", x.Delete), fmt.Sprintf("%.2f s", x.Recovery), x.result()})
	}
	recovery.WriteTable(w, cells)
	for _, x := range r.Rounds {
		for _, p := range x.Problems {
			fmt.Fprintf(w, "\nround %d: %s", x.Number, p)
		}
	}
	fmt.Fprintf(w, "\n%s, %d failed. Longest recovery (RTO) %.1f s, and %.1f s to %s. Rows that did not come back (RPO): %s. Seed %d.\n",
		recovery.Plural(int64(len(r.Rounds)), "round"), r.Failed, r.RTO, r.Load, r.loading(), recovery.Grouped(r.RPO), r.Seed)
}

func (x Round) result() string {
	switch {
	case !x.OK:
		return "FAILED"
	case len(x.IDs) == 0:
		return "ok, nothing committed"
	}
	return "ok"
}

// WriteHTML prints the report as a page of its own.
func (r *Report) WriteHTML(w io.Writer) error { return page.Execute(w, r) }

var page = template.Must(template.New("drill").Funcs(template.FuncMap{
	"grouped": recovery.Grouped, "join": strings.Join, "result": Round.result, "from": (*Report).from, "loading": (*Report).loading,
	"seconds": func(s float64) string { return fmt.Sprintf("%.2f s", s) },
}).Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>rowback drill</title><style>
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1f2328}
table{border-collapse:collapse;width:100%}th,td{padding:.35rem .6rem;border-bottom:1px solid #d0d7de;text-align:right}
th:first-child,td:first-child,th:nth-child(2),td:nth-child(2){text-align:left}.bad{background:#ffebe9}.sum{display:flex;gap:3rem;margin:1.5rem 0}.sum b{display:block;font-size:1.6rem}
</style></head><body><h1>Restore drill: {{if .Passed}}passed{{else}}{{.Failed}} of {{len .Rounds}} rounds failed{{end}}</h1>
<p>{{.Time.Format "2006-01-02 15:04 UTC"}}, from {{from .}}, seed {{.Seed}}</p>
<div class="sum"><div><b>{{seconds .RTO}}</b>longest recovery (RTO)</div><div><b>{{grouped .RPO}}</b>rows that did not come back (RPO)</div><div><b>{{seconds .Load}}</b>to {{loading .}}</div></div>
<table><tr><th>round</th><th>table</th><th>killed</th><th>client saw</th><th>removed</th><th>restored</th><th>lost</th><th>delete</th><th>recovery</th><th>result</th></tr>
{{range .Rounds}}<tr{{if not .OK}} class="bad"{{end}}><td>{{.Number}} {{.Kind}}</td><td>{{.Table}}</td><td>{{.Kill}}</td><td>{{.Answer}}</td><td>{{grouped .Removed}}</td><td>{{grouped .Restored}}</td><td>{{grouped .Lost}}</td><td>{{seconds .Delete}}</td><td>{{seconds .Recovery}}</td><td>{{result .}}{{if .Problems}}<br>{{join .Problems "; "}}{{end}}</td></tr>
{{end}}</table></body></html>
`))
