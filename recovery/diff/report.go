package diff

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/recovery"
)

// Report is the impact, table by table; its JSON form is an outside contract.
type Report struct {
	Production string   `json:"production"` // without secrets
	Recovery   string   `json:"recovery"`
	Tables     []Count  `json:"tables"`
	Lost       int64    `json:"lost"` // of all tables
	Recorded   int64    `json:"recorded"`
	Notes      []string `json:"notes"`
	Out        string   `json:"out,omitempty"` // file of keys
	Seconds    float64  `json:"seconds"`

	rows, unfit bool
}

// Count is one table's impact.
type Count struct {
	Schema    string  `json:"schema"`
	Table     string  `json:"table"`
	Backup    int64   `json:"backup"` // rows compared, in the backup
	Live      int64   `json:"live"`
	Lost      int64   `json:"lost"`         // in the backup, gone from production, and no deletion on record
	Percent   float64 `json:"percent_lost"` // of Backup
	Recorded  int64   `json:"recorded"`     // gone, and the journal says why
	Otherwise int64   `json:"otherwise"`    // still there, but outside the condition or under a key written otherwise
	New       int64   `json:"new"`          // in production alone
	Changed   int64   `json:"changed"`      // in both, and not the same; 0 unless contents were compared
}

func (r *run) report() *Report {
	out := &Report{Production: r.production.Where(), Recovery: r.recovery.Where(), Tables: []Count{}, Notes: append([]string{}, r.notes...),
		Out: r.o.Out, rows: r.o.Rows, unfit: r.unfit}
	for _, p := range r.pairs {
		c := p.count
		if c.Backup > 0 {
			c.Percent = 100 * float64(c.Lost) / float64(c.Backup)
		}
		if p.unread != nil {
			out.Notes = append(out.Notes, fmt.Sprintf("%s: what deletions on record removed may count as lost, for %v", display(p.live), p.unread))
		}
		out.Lost += c.Lost
		out.Recorded += c.Recorded
		out.Tables = append(out.Tables, c)
	}
	slices.SortFunc(out.Tables, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Lost, a.Lost), cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Table, b.Table))
	})
	if note := r.cutLinks(); note != "" {
		out.Notes = append(out.Notes, note)
	}
	return out
}

// cutLinks says which links the loss may have cut: the rows that had them are there.
func (r *run) cutLinks() string {
	var lost []*catalog.Table
	for _, p := range r.pairs {
		if p.count.Lost > 0 {
			lost = append(lost, p.live)
		}
	}
	links := recovery.CutLinks(lost)
	if links == "" {
		return ""
	}
	see := "`rowback diff --rows` counts the rows that are not as in the backup, with --out FILE it names them"
	if r.o.Rows {
		see = "the rows that had them are among the changed ones, where their tables are compared"
	}
	return "links to lost rows may have been cut, and restore --from-diff leaves them so: " + links + "; " + see
}

// Clean: no row is lost, and no table.
func (r *Report) Clean() bool { return r.Lost == 0 && !r.unfit }

// WriteJSON prints the report as one line of JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// WriteText prints the impact table for people.
func (r *Report) WriteText(w io.Writer) {
	fmt.Fprintf(w, "production  %s\nrecovery    %s\n\n", r.Production, r.Recovery)
	head := []string{"table", "records lost", "backup total", "live total", "% lost", "on record", "new"}
	if r.rows {
		head = append(head, "changed")
	}
	cells := [][]string{head}
	row := func(name string, c Count) {
		line := []string{name}
		for _, n := range []int64{c.Lost, c.Backup, c.Live} {
			line = append(line, recovery.Grouped(n))
		}
		line = append(line, percent(c), recovery.Grouped(c.Recorded), recovery.Grouped(c.New))
		if r.rows {
			line = append(line, recovery.Grouped(c.Changed))
		}
		cells = append(cells, line)
	}
	var total Count
	for _, c := range r.Tables {
		row(journal.QuoteName(c.Schema, c.Table), c)
		total.Lost += c.Lost
		total.Backup += c.Backup
		total.Live += c.Live
		total.Recorded += c.Recorded
		total.New += c.New
		total.Changed += c.Changed
	}
	if total.Backup > 0 {
		total.Percent = 100 * float64(total.Lost) / float64(total.Backup)
	}
	if len(r.Tables) > 1 {
		row("total", total)
	}
	recovery.WriteTable(w, cells)
	if r.Recorded > 0 {
		fmt.Fprintf(w, "\n%s on record in the journal as deleted: not counted as lost, not proposed. `rowback log` lists them.\n", recovery.Plural(r.Recorded, "row"))
	}
	for _, n := range r.Notes {
		fmt.Fprintf(w, "\nNote: %s", n)
	}
	if len(r.Notes) > 0 {
		fmt.Fprintln(w)
	}
	changed := ""
	if r.rows {
		changed = ", " + recovery.Plural(total.Changed, "row") + " changed"
	}
	switch {
	case r.Lost == 0 && !r.rows:
		fmt.Fprintf(w, "\nNo row is lost; contents were not compared (--rows does); %.1f s.\n", r.Seconds)
	case r.Lost == 0:
		fmt.Fprintf(w, "\nNo row is lost%s; %.1f s.\n", changed, r.Seconds)
	case r.Out == "":
		fmt.Fprintf(w, "\n%s lost%s; %.1f s. To restore: run this with --out FILE, then `rowback restore --from-diff FILE`.\n", recovery.Plural(r.Lost, "row"), changed, r.Seconds)
	default:
		fmt.Fprintf(w, "\n%s lost%s; %.1f s. Their keys are in %s; to restore: `rowback restore --from-diff %s`.\n", recovery.Plural(r.Lost, "row"), changed, r.Seconds, r.Out, r.Out)
	}
}

// percent says 100 or 0 only where it is.
func percent(c Count) string {
	text := fmt.Sprintf("%.1f", c.Percent)
	switch {
	case text == "0.0" && c.Lost > 0:
		return "<0.1"
	case text == "100.0" && c.Lost < c.Backup:
		return ">99.9"
	}
	return text
}
