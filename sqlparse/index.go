package sqlparse

import pg "github.com/pganalyze/pg_query_go/v5"

// indexesOutside reports whether a statement does to indexes what the server does in
// transactions of the statement's own: CREATE, DROP or REINDEX … CONCURRENTLY, and REINDEX of
// more than a table.
func indexesOutside(node *pg.Node) bool {
	switch n := node.Node.(type) {
	case *pg.Node_IndexStmt:
		return n.IndexStmt.Concurrent
	case *pg.Node_DropStmt:
		return n.DropStmt.Concurrent
	case *pg.Node_ReindexStmt:
		switch n.ReindexStmt.Kind {
		case pg.ReindexObjectType_REINDEX_OBJECT_SCHEMA, pg.ReindexObjectType_REINDEX_OBJECT_SYSTEM, pg.ReindexObjectType_REINDEX_OBJECT_DATABASE:
			return true
		}
		for _, p := range n.ReindexStmt.Params {
			if o := p.GetDefElem(); o.GetDefname() == "concurrently" && !isFalse(o.GetArg()) {
				return true
			}
		}
	}
	return false
}
