package sqlparse

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v5"
)

// shapes reports whether DDL says what tables are and no more: no code comes with it
// that its text does not name. Not what takes part of others' (partitions, heirs, LIKE,
// typed tables), what renames, and what has triggers, rules or policies act.
func shapes(node *pg.Node) bool {
	switch n := node.GetNode().(type) {
	case *pg.Node_CreateStmt:
		c := n.CreateStmt
		return len(c.InhRelations) == 0 && c.OfTypename == nil && c.Partspec == nil && c.Partbound == nil && !makesTemporary(node) &&
			!slices.ContainsFunc(c.TableElts, func(e *pg.Node) bool { return e.GetTableLikeClause() != nil })
	case *pg.Node_AlterTableStmt:
		switch n.AlterTableStmt.Objtype {
		case pg.ObjectType_OBJECT_TABLE, pg.ObjectType_OBJECT_INDEX, pg.ObjectType_OBJECT_SEQUENCE, pg.ObjectType_OBJECT_VIEW:
		default:
			return false
		}
		return !slices.ContainsFunc(n.AlterTableStmt.Cmds, func(c *pg.Node) bool { return !shaping[c.GetAlterTableCmd().GetSubtype()] })
	case *pg.Node_CreateSchemaStmt:
		return len(n.CreateSchemaStmt.SchemaElts) == 0
	case *pg.Node_IndexStmt, *pg.Node_CreateSeqStmt, *pg.Node_AlterSeqStmt, *pg.Node_CreateEnumStmt, *pg.Node_CreateStatsStmt, *pg.Node_AlterOwnerStmt:
		return true
	}
	return false
}

var shaping = map[pg.AlterTableType]bool{
	pg.AlterTableType_AT_AddColumn:          true,
	pg.AlterTableType_AT_ColumnDefault:      true,
	pg.AlterTableType_AT_SetNotNull:         true,
	pg.AlterTableType_AT_DropNotNull:        true,
	pg.AlterTableType_AT_SetStatistics:      true,
	pg.AlterTableType_AT_SetStorage:         true,
	pg.AlterTableType_AT_SetCompression:     true,
	pg.AlterTableType_AT_AddConstraint:      true,
	pg.AlterTableType_AT_ValidateConstraint: true,
	pg.AlterTableType_AT_DropConstraint:     true,
	pg.AlterTableType_AT_AlterColumnType:    true,
	pg.AlterTableType_AT_AddIdentity:        true,
	pg.AlterTableType_AT_SetIdentity:        true,
	pg.AlterTableType_AT_ChangeOwner:        true,
	pg.AlterTableType_AT_ClusterOn:          true,
	pg.AlterTableType_AT_SetRelOptions:      true,
	pg.AlterTableType_AT_ResetRelOptions:    true,
	pg.AlterTableType_AT_ReplicaIdentity:    true,
}
