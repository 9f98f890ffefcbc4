package main

import (
	"errors"

	"gopkg.in/yaml.v3"

	"github.com/rowback/rowback/internal/yamlstrict"
	"github.com/rowback/rowback/recovery/check"
)

// readChecks reads the user's own checks: a list of name, query and limit.
func (s *settings) readChecks(file map[string]line) error {
	s.checks = nil
	at, ok := file["checks"]
	if !ok {
		return nil
	}
	names := map[string]bool{}
	err := yamlstrict.List(func(n *yaml.Node) error {
		var q check.Query
		var limit int64
		err := yamlstrict.Mapping(n, "check",
			yamlstrict.Key{Name: "name", Decode: yamlstrict.Text(&q.Name)},
			yamlstrict.Key{Name: "query", Decode: yamlstrict.Text(&q.Query)},
			yamlstrict.Key{Name: "limit", Decode: yamlstrict.Int(&limit)})
		switch {
		case err != nil:
			return err
		case q.Name == "" || q.Query == "":
			return yamlstrict.Errorf(n, "a check needs a name and a query")
		case names[q.Name]:
			return yamlstrict.Errorf(n, "there are two checks of the name %q", q.Name)
		case limit < 0 || limit > 1_000_000:
			return yamlstrict.Errorf(n, "limit must be between 1 and 1000000, the rows that are listed")
		}
		names[q.Name], q.Limit = true, int(limit)
		s.checks = append(s.checks, q)
		return nil
	})(at.node)
	if err != nil {
		return errors.New(yamlstrict.In(s.ConfigFile, err))
	}
	return nil
}
