package graph

import (
	"encoding/json"
	"io"
	"strings"

	"github.com/rowback/rowback/journal"
)

type jsonTable struct {
	Schema     string        `json:"schema"`
	Table      string        `json:"table"`
	Estimated  *int64        `json:"estimated_rows"` // null: not known
	Partitions int           `json:"partitions"`
	Asked      bool          `json:"asked"`
	Removed    int64         `json:"removed"`
	Cut        int64         `json:"cut"`
	Via        []journal.Via `json:"via"`
}

type jsonKey struct {
	Name          string   `json:"name"`
	Schema        string   `json:"schema"`
	Table         string   `json:"table"`
	Columns       []string `json:"columns"`
	ParentSchema  string   `json:"parent_schema"`
	Parent        string   `json:"parent"`
	ParentColumns []string `json:"parent_columns"`
	OnDelete      string   `json:"on_delete"` // cascade, set_null, set_default, restrict, no_action
	Validated     bool     `json:"validated"`
}

// WriteJSON prints {"incident","tables","foreign_keys","notes"} as one line.
func (g *Graph) WriteJSON(w io.Writer) error {
	out := struct {
		Incident string      `json:"incident,omitempty"`
		Tables   []jsonTable `json:"tables"`
		Keys     []jsonKey   `json:"foreign_keys"`
		Notes    []string    `json:"notes,omitempty"`
	}{Tables: []jsonTable{}, Keys: []jsonKey{}, Notes: g.Notes}
	if g.Incident != nil {
		out.Incident = g.Incident.ID
	}
	for _, t := range g.Tables {
		j := jsonTable{Schema: t.Schema, Table: t.Name, Partitions: t.Partitions, Asked: t.Asked, Removed: t.Removed, Cut: t.Cut, Via: append([]journal.Via{}, t.Via...)}
		if t.Estimated >= 0 {
			j.Estimated = &t.Estimated
		}
		out.Tables = append(out.Tables, j)
	}
	for _, k := range g.Keys {
		out.Keys = append(out.Keys, jsonKey{
			Name: k.Name, Schema: k.Child.Schema, Table: k.Child.Name, Columns: k.Columns,
			ParentSchema: k.Parent.Schema, Parent: k.Parent.Name, ParentColumns: k.ParentColumns,
			OnDelete: strings.ReplaceAll(strings.ToLower(k.action()), " ", "_"), Validated: k.Validated,
		})
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(out)
}
