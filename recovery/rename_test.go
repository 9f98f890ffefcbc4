package recovery

import (
	"context"
	"strings"
	"testing"
)

// Columns were renamed, and their names are taken again: each value goes where it was,
// from the backup and from images, of before the renames and of after.
func TestRename_NamesThatAreTakenAgain(t *testing.T) {
	for _, c := range []struct {
		name, was string
		change    []string
		rename    map[string]string
		want      map[string]string
	}{
		{"a new column has the name", "(id int PRIMARY KEY, status text, n int)", []string{"RENAME status TO old_status", "ADD status text DEFAULT 'new'"},
			map[string]string{"status": "old_status"}, map[string]string{"old_status": "b", "status": "new", "n": "1"}},
		{"two have changed names", "(id int PRIMARY KEY, a text, b text)", []string{"RENAME a TO x", "RENAME b TO a", "RENAME x TO b"},
			map[string]string{"a": "b", "b": "a"}, map[string]string{"a": "1", "b": "b"}},
		{"one after the other", "(id int PRIMARY KEY, a text, b text)", []string{"RENAME b TO c", "RENAME a TO b"},
			map[string]string{"a": "b", "b": "c"}, map[string]string{"b": "b", "c": "1"}},
		{"key columns", "(a int, b text, id text, PRIMARY KEY (a, b))", []string{"RENAME a TO x", "RENAME id TO a", "RENAME x TO id"},
			map[string]string{"a": "id", "id": "a"}, map[string]string{"id": "1", "b": "b", "a": "1"}},
	} {
		for _, from := range []string{"backup", "images", "images of after"} {
			t.Run(c.name+", "+from, func(t *testing.T) {
				l := newLab(t, "CREATE TABLE o "+c.was+"; INSERT INTO o VALUES (1, 'b', '1')").backup()
				var alter []string
				for _, a := range c.change {
					alter = append(alter, "ALTER TABLE o "+a)
				}
				var id string
				switch from {
				case "backup":
					id = l.incident("DELETE FROM o")
					l.exec(alter...)
				case "images":
					id = l.imaged(nil, "DELETE FROM o")
					l.exec(alter...)
				default:
					l.exec(alter...)
					id = l.imaged(nil, "DELETE FROM o")
				}
				o := l.options(id)
				if from != "backup" {
					o.Recovery = ""
				}
				o.Config = &Config{Tables: []TableConfig{{Name: "o", Rename: c.rename}}}
				l.restore(o)
				rows := l.state(l.production)["public.o"]
				for _, row := range rows {
					for column, want := range c.want {
						if row[column] != want {
							t.Errorf("%s is %q, want %q", column, row[column], want)
						}
					}
				}
				if len(rows) != 1 {
					t.Errorf("%v", rows)
				}
			})
		}
	}
}

// Which column's values the journal has is not guessed.
func TestRename_ColumnsThatCannotBeToldApart(t *testing.T) {
	for name, c := range map[string]struct {
		was, change string
		rename      map[string]string
		images      bool
		said        string
	}{
		"a key":                {"(id int PRIMARY KEY, v text)", "ALTER TABLE o RENAME id TO old_id; ALTER TABLE o DROP CONSTRAINT o_pkey; ALTER TABLE o ADD id serial PRIMARY KEY", map[string]string{"id": "old_id"}, false, "on record by the key column id"},
		"a column that's gone": {"(id int PRIMARY KEY, total int, total2 int)", "ALTER TABLE o DROP total; ALTER TABLE o RENAME total2 TO total", map[string]string{"total2": "total"}, true, "cannot be told"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, "CREATE TABLE o "+c.was+"; INSERT INTO o VALUES (1, 2)").backup()
			var id string
			if c.images {
				id = l.imaged(nil, "DELETE FROM o")
			} else {
				id = l.incident("DELETE FROM o")
			}
			l.exec(strings.Split(c.change, "; ")...)
			o := l.options(id)
			o.Config = &Config{Tables: []TableConfig{{Name: "o", Rename: c.rename}}}
			if _, err := Restore(context.Background(), o); err == nil || !strings.Contains(err.Error(), c.said) {
				t.Errorf("%v", err)
			}
		})
	}
}
