package model

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/jackc/pgx/v5"
)

// State is every row: table (quoted schema.name) → key → column → value as text.
type State map[string]map[string]map[string]string

// Null stands for NULL in a State.
const Null = "\x00null"

// Read is the state of the model's tables in a database.
func (m *Model) Read(ctx context.Context, url string) (State, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	out := State{}
	for _, t := range m.Tables {
		only := "ONLY "
		if t.partitioned {
			only = ""
		}
		rows, err := conn.Query(ctx, fmt.Sprintf("SELECT * FROM %s%s", only, t.quoted()), pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			return nil, err
		}
		out[t.quoted()] = map[string]map[string]string{}
		for rows.Next() {
			row := map[string]string{}
			for i, v := range rows.RawValues() {
				if row[rows.FieldDescriptions()[i].Name] = string(v); v == nil {
					row[rows.FieldDescriptions()[i].Name] = Null
				}
			}
			out[t.quoted()][refer(row, t.key)] = row
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Differ says where two states differ.
func Differ(got, want State) (out []string) {
	for table, rows := range want {
		for k, row := range rows {
			if g := got[table][k]; g == nil {
				out = append(out, fmt.Sprintf("%s %q is missing", table, k))
			} else if !maps.Equal(g, row) {
				out = append(out, fmt.Sprintf("%s %q is %q, want %q", table, k, g, row))
			}
		}
		for k := range got[table] {
			if rows[k] == nil {
				out = append(out, fmt.Sprintf("%s %q should not be there", table, k))
			}
		}
	}
	return out
}

// Story is what happened, as states: the backup, before and after the
// incident, and now.
type Story struct{ Backup, Start, Left, Now State }

// refer are the values by which a row refers to a parent; "" if it does not.
func refer(row map[string]string, columns []column) string {
	var out []string
	for _, c := range columns {
		if row[c.name] == Null {
			return ""
		}
		out = append(out, row[c.name])
	}
	return strings.Join(out, "\x1f") + "\x1f"
}

// Oracle is the state that a restore must lead to, by the rules alone, row by
// row. What the incident took comes back as the backup has it, unless its key
// is there, another row has its unique value, or a parent neither is there nor
// comes back. Links that it cut come back where they still are cut and the
// parent is there. All else stays.
func (m *Model) Oracle(s Story) State {
	want, took := State{}, State{}
	for _, t := range m.Tables {
		name := t.quoted()
		want[name], took[name] = maps.Clone(s.Now[name]), map[string]map[string]string{}
		taken := map[string]bool{}
		for _, row := range s.Now[name] {
			taken[row["u"]] = true
		}
		for k, row := range s.Backup[name] {
			if s.Start[name][k] == nil || s.Left[name][k] != nil || s.Now[name][k] != nil {
				continue
			}
			took[name][k] = row
			if !t.unique || row["u"] == Null || !taken[row["u"]] {
				want[name][k] = row
			}
		}
	}
	// there: a parent with this value is there, and it is not the value of one that had to stay out.
	there := func(ref *reference, v string) bool {
		found := false
		for _, row := range want[ref.parent.quoted()] {
			found = found || refer(row, ref.to) == v
		}
		for k, row := range took[ref.parent.quoted()] {
			if want[ref.parent.quoted()][k] == nil && refer(row, ref.to) == v {
				return false
			}
		}
		return found
	}
	for again := true; again; {
		again = false
		for _, t := range m.Tables {
			for k := range took[t.quoted()] {
				for _, ref := range t.references {
					if row := want[t.quoted()][k]; row != nil && refer(row, ref.columns) != "" && !there(ref, refer(row, ref.columns)) {
						delete(want[t.quoted()], k)
						again = true
					}
				}
			}
		}
	}
	for _, t := range m.Tables {
		name := t.quoted()
		for _, ref := range t.references {
			for k, now := range s.Now[name] {
				was, left := s.Start[name][k], s.Left[name][k]
				if was == nil || left == nil || refer(was, ref.columns) == "" || refer(left, ref.columns) != "" || !there(ref, refer(was, ref.columns)) {
					continue
				}
				cut := true
				for _, c := range ref.columns {
					cut = cut && now[c.name] == Null
				}
				if cut {
					want[name][k] = maps.Clone(want[name][k])
					for _, c := range ref.columns {
						want[name][k][c.name] = was[c.name]
					}
				}
			}
		}
	}
	return want
}
