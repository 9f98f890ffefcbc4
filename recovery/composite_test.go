package recovery

import (
	"context"
	"strings"
	"testing"
)

// Values within a composite one go by place: where its attributes are others by now, or
// in another order, they are not restored as they are, from the backup or from images.
func TestComposite_AttributesThatChanged(t *testing.T) {
	for name, c := range map[string]struct {
		column, value string
		change        []string
		fits          bool
	}{
		"a type":                {"v pair", "ROW(1, 2)", []string{"ALTER TYPE pair DROP ATTRIBUTE a", "ALTER TYPE pair ADD ATTRIBUTE a int"}, false},
		"a table's row":         {"v src", "ROW(1, 2)", []string{"ALTER TABLE src DROP a", "ALTER TABLE src ADD a int"}, false},
		"an array":              {"v pair[]", "ARRAY[ROW(1, 2)::pair]", []string{"ALTER TYPE pair DROP ATTRIBUTE a", "ALTER TYPE pair ADD ATTRIBUTE a int"}, false},
		"within another":        {"v outside", "ROW(ARRAY[ROW(1, 2)::pair], 3)", []string{"ALTER TYPE pair DROP ATTRIBUTE a", "ALTER TYPE pair ADD ATTRIBUTE a int"}, false},
		"a domain":              {"v dom", "ROW(1, 2)::pair", []string{"ALTER TYPE pair DROP ATTRIBUTE a", "ALTER TYPE pair ADD ATTRIBUTE a int"}, false},
		"as it was":             {"v outside", "ROW(ARRAY[ROW(1, 2)::pair], 3)", []string{"ALTER TABLE o ADD more int"}, true},
		"changed long before":   {"v old", "ROW(1, 2)", []string{"ALTER TABLE o ADD more int"}, true},
		"the configuration has": {"v pair", "ROW(1, 2)", []string{"ALTER TYPE pair RENAME ATTRIBUTE a TO a2"}, true},
	} {
		for _, images := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", images"}[images], func(t *testing.T) {
				l := newLab(t, `CREATE TYPE pair AS (a int, b int); CREATE TABLE src (a int, b int); CREATE TYPE outside AS (pairs pair[], n int); CREATE DOMAIN dom AS pair; CREATE TYPE old AS (x int, a int, b int);
					ALTER TYPE old DROP ATTRIBUTE x; CREATE TABLE o (id int PRIMARY KEY, `+c.column+`); INSERT INTO o VALUES (1, `+c.value+`)`).backup()
				before := l.state(l.production)["public.o"]["1"]["v"]
				var o Options
				if images {
					o = l.alone(l.imaged(nil, "DELETE FROM o"))
				} else {
					o = l.options(l.incident("DELETE FROM o"))
				}
				l.exec(c.change...)
				if strings.HasPrefix(name, "the configuration") {
					o.Config = &Config{Tables: []TableConfig{{Name: "o", Columns: map[string]string{"v": "v"}}}}
				}
				report, err := Restore(context.Background(), o)
				switch after := l.state(l.production)["public.o"]["1"]; {
				case c.fits && (err != nil || after["v"] != before):
					t.Errorf("%v, %v, %+v", after, err, report)
				case !c.fits && (err == nil || !strings.Contains(err.Error(), "values within it would change places")):
					t.Errorf("%v, %v", after, err)
				}
			})
		}
	}
}
