package main

import (
	"errors"

	"github.com/rowback/rowback/internal/yamlstrict"
	"github.com/rowback/rowback/recovery"
)

// restore is what the file says about restores. Like alerts it is read only
// where it is needed. Its errors are usage errors.
func (s *settings) restore() (*recovery.Config, error) {
	c, err := recovery.ParseConfig(s.restoreNode)
	if err != nil {
		return nil, usageError(errors.New(yamlstrict.In(s.ConfigFile, err)))
	}
	return c, nil
}
