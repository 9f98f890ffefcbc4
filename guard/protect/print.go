package protect

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/rowback/rowback/journal"
)

// WriteText writes what was changed, or with a dry run the script that would.
func (p *Plan) WriteText(w io.Writer) {
	if p.DryRun {
		_ = p.WriteSQL(w)
		return
	}
	if len(p.SQL) == 0 {
		fmt.Fprintln(w, "nothing to change")
		return
	}
	done := map[string]string{"guard": "guarded", "mend": "mended", "keep": "kept", "release": "released"}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range p.Tables {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", done[c.Action], journal.QuoteName(c.Schema, c.Table), c.Limits, c.Why)
	}
	_ = t.Flush()
}

// WriteJSON writes the plan as one object.
func (p *Plan) WriteJSON(w io.Writer) error {
	return json.NewEncoder(w).Encode(struct {
		Tables []Change `json:"tables"`
		Notes  []string `json:"notes"`
		SQL    []string `json:"sql"`
		DryRun bool     `json:"dry_run"`
	}{append([]Change{}, p.Tables...), append([]string{}, p.Notes...), append([]string{}, p.SQL...), p.DryRun})
}

// WriteText writes a line for each table, and what is amiss under it.
func (s *Status) WriteText(w io.Writer) {
	if !s.Installed {
		fmt.Fprintf(w, "nothing is installed in database %s\n", s.Database)
	}
	if s.Installed && len(s.Tables) == 0 {
		fmt.Fprintf(w, "no table is guarded in database %s; schema rowback keeps what was recorded: 'rowback protect collect', then 'rowback protect remove --all --purge' takes it away\n", s.Database)
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(s.Tables) > 0 {
		fmt.Fprintln(t, "TABLE\tGUARD\tLIMIT\tPARTITIONS\tSTATE")
	}
	for _, x := range s.Tables {
		limit, partitions, state := "-", "-", "ok"
		if x.Mode != "" {
			limit = fmt.Sprintf("%s over %d", x.Mode, x.Threshold)
		}
		if x.Partitions > 0 {
			partitions = fmt.Sprintf("%d of %d", x.Covered, x.Partitions)
		}
		if len(x.Problems) > 0 {
			state = strings.Join(x.Problems, "; ")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", journal.QuoteName(x.Schema, x.Table), x.Why, limit, partitions, state)
	}
	_ = t.Flush()
	if s.Installed {
		fmt.Fprintf(w, "DROP is %s.", s.Drops)
		if !s.Tickets {
			fmt.Fprint(w, " The triggers count beside the proxy: the schema's owner lacks pg_read_all_stats.")
		}
		fmt.Fprintln(w)
	}
}

// WriteJSON writes the status as one object.
func (s *Status) WriteJSON(w io.Writer) error { return json.NewEncoder(w).Encode(s) }
