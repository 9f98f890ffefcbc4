package recovery

import (
	"errors"
	"fmt"

	pg_query "github.com/pganalyze/pg_query_go/v5"
	"gopkg.in/yaml.v3"

	"github.com/rowback/rowback/internal/yamlstrict"
)

// Config is what people lay down for the restores of a database, under the key
// restore of rowback.yaml: how rows get from the tables of the recovery
// database into those of production where that does not go by name, what is
// left out, and what no constraint tells. All SQL in it is the operator's own.
type Config struct {
	Tables        []TableConfig
	Polymorphic   []Polymorphic
	Before, After []string // single statements, in the transaction of the restore
}

// TableConfig is about one table of production.
type TableConfig struct {
	Name    string            // as in production: name, or schema.name
	From    string            // its name in the recovery database, and in older journal entries; "": the same
	Rename  map[string]string // columns: name in the recovery database to name in production
	Columns map[string]string // column of production to SQL expression over the backup's row
	Where   string            // SQL condition over the backup's row: all others stay out
	Skip    bool              // none of its rows is restored

	line int
}

// Polymorphic is a reference by a type and an id column.
type Polymorphic struct {
	Table, Type, ID string
	Targets         []Target

	line int
}

// Target says which table a value of the type column means.
type Target struct {
	Value, Table string
	Column       string // that the id holds; "": the table's key
}

// ParseConfig reads the value of the key restore. Errors name the line.
func ParseConfig(node *yaml.Node) (*Config, error) {
	c := &Config{}
	if node == nil || yamlstrict.Null(node) {
		return c, nil
	}
	err := yamlstrict.Mapping(node, "setting of restore",
		yamlstrict.Key{Name: "tables", Decode: named(func(name, value *yaml.Node) error { return c.table(name, value) })},
		yamlstrict.Key{Name: "polymorphic", Decode: yamlstrict.List(c.polymorphic)},
		yamlstrict.Key{Name: "before", Decode: statements(&c.Before)},
		yamlstrict.Key{Name: "after", Decode: statements(&c.After)},
	)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Config) table(name, value *yaml.Node) error {
	t := TableConfig{Name: name.Value, Rename: map[string]string{}, Columns: map[string]string{}, line: name.Line}
	err := yamlstrict.Mapping(value, "setting of a table",
		yamlstrict.Key{Name: "from", Decode: text(&t.From)},
		yamlstrict.Key{Name: "rename", Decode: pairs(t.Rename)},
		yamlstrict.Key{Name: "columns", Decode: pairs(t.Columns)},
		yamlstrict.Key{Name: "where", Decode: text(&t.Where)},
		yamlstrict.Key{Name: "skip", Decode: yamlstrict.Bool(&t.Skip)},
	)
	if err != nil {
		return err
	}
	to := map[string]string{}
	for old, now := range t.Rename {
		if other, twice := to[now]; twice {
			return yamlstrict.Errorf(value, "columns %s and %s are both renamed to %s", min(old, other), max(old, other), now)
		}
		to[now] = old
	}
	c.Tables = append(c.Tables, t)
	return nil
}

func (c *Config) polymorphic(n *yaml.Node) error {
	p := Polymorphic{line: n.Line}
	err := yamlstrict.Mapping(n, "setting of a polymorphic reference",
		yamlstrict.Key{Name: "table", Decode: text(&p.Table)},
		yamlstrict.Key{Name: "type", Decode: text(&p.Type)},
		yamlstrict.Key{Name: "id", Decode: text(&p.ID)},
		yamlstrict.Key{Name: "targets", Decode: named(func(name, value *yaml.Node) error {
			t := Target{Value: name.Value}
			if value.Kind == yaml.ScalarNode {
				if err := text(&t.Table)(value); err != nil {
					return err
				}
			} else if err := yamlstrict.Mapping(value, "setting of a target",
				yamlstrict.Key{Name: "table", Decode: text(&t.Table)},
				yamlstrict.Key{Name: "column", Decode: text(&t.Column)}); err != nil {
				return err
			}
			if t.Table == "" {
				return errors.New("lacks table")
			}
			p.Targets = append(p.Targets, t)
			return nil
		})},
	)
	if err != nil {
		return err
	}
	for _, must := range [][2]string{{"table", p.Table}, {"type", p.Type}, {"id", p.ID}} {
		if must[1] == "" {
			return yamlstrict.Errorf(n, "a polymorphic reference needs %s", must[0])
		}
	}
	if len(p.Targets) == 0 {
		return yamlstrict.Errorf(n, "a polymorphic reference needs targets: which table each value of %s means", p.Type)
	}
	c.Polymorphic = append(c.Polymorphic, p)
	return nil
}

// named decodes a mapping whose keys are names of the reader's own.
func named(each func(name, value *yaml.Node) error) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Kind != yaml.MappingNode {
			return errors.New("takes lines of the form “name: …”")
		}
		first := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			name, value := n.Content[i], n.Content[i+1]
			if line, twice := first[name.Value]; twice {
				return yamlstrict.Errorf(name, "%s is already set in line %d", name.Value, line)
			}
			first[name.Value] = name.Line
			if err := each(name, value); err != nil {
				return yamlstrict.At(value, fmt.Errorf("%s %w", name.Value, err))
			}
		}
		return nil
	}
}

// text decodes one that is not empty.
func text(to *string) func(*yaml.Node) error {
	return yamlstrict.Scalar(func(s string) error {
		if s == "" {
			return errors.New("is empty")
		}
		*to = s
		return nil
	})
}

func pairs(to map[string]string) func(*yaml.Node) error {
	return named(func(name, value *yaml.Node) error {
		var s string
		if err := text(&s)(value); err != nil {
			return err
		}
		to[name.Value] = s
		return nil
	})
}

// statements decodes SQL that may stand in the transaction of a restore: one
// statement a text, and none that ends the transaction.
func statements(to *[]string) func(*yaml.Node) error {
	return yamlstrict.List(func(n *yaml.Node) error {
		var sql string
		if err := text(&sql)(n); err != nil {
			return err
		}
		if err := oneStatement(sql); err != nil {
			return err
		}
		*to = append(*to, sql)
		return nil
	})
}

func oneStatement(sql string) error {
	tree, err := pg_query.Parse(sql)
	switch {
	case err != nil:
		return fmt.Errorf("is no SQL: %w", err)
	case len(tree.Stmts) != 1:
		return fmt.Errorf("has %d statements; write each as an item of its own", len(tree.Stmts))
	case tree.Stmts[0].Stmt.GetTransactionStmt() != nil:
		return errors.New("begins or ends a transaction; it runs in the restore's own")
	case tree.Stmts[0].Stmt.GetCopyStmt() != nil:
		return errors.New("is COPY, which cannot run here")
	}
	return nil
}
