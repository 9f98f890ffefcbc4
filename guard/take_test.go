package guard_test

import (
	"testing"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// What the server refuses itself gets the server's error, whatever the limits: nobody
// needs to be asked, or told.
func TestTake_WhatTheServerRefuses(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 10), shop, wireExtra,
		"DROP ROLE IF EXISTS owns_nothing; CREATE ROLE owns_nothing; GRANT SELECT, DELETE ON ALL TABLES IN SCHEMA public TO owns_nothing; CREATE VIEW pv AS SELECT * FROM plain")
	for name, x := range map[string][]messages{
		"DROP of what is referenced":     {q("DROP TABLE orders"), q("SELECT count(*) FROM orders")},
		"DROP under a view":              {q("DROP TABLE plain")},
		"DROP SCHEMA":                    {q("DROP SCHEMA public")},
		"TRUNCATE of what is referenced": {q("TRUNCATE orders")},
		"read only":                      {q("BEGIN READ ONLY"), q("TRUNCATE plain"), q("ROLLBACK")},
		"read only, a snapshot":          {q("BEGIN READ ONLY ISOLATION LEVEL SERIALIZABLE"), q("DROP TABLE plain"), q("ROLLBACK")},
		"not the owner":                  {q("SET ROLE owns_nothing"), q("DROP TABLE refunds")},
		"no privilege":                   {q("SET ROLE owns_nothing"), q("TRUNCATE refunds")},
		"in use":                         {q("BEGIN; DECLARE c CURSOR FOR SELECT * FROM refunds; FETCH c"), q("DROP TABLE refunds"), q("ROLLBACK")},
		"extended":                       {cat(pbe("TRUNCATE orders"), syncMsg), q("SELECT 1")},
	} {
		t.Run(name, func(t *testing.T) { e.compare(t, x) })
	}
	pgtest.Exec(t, e.direct, "DROP OWNED BY owns_nothing; DROP ROLE owns_nothing")
	if es := e.entries(journal.Filter{}); len(es) > 0 {
		t.Errorf("entries %+v", es)
	}
}
