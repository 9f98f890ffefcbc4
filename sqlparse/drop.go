package sqlparse

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v5"
)

// classifyDrop judges DROP … . What a table can depend on as a whole (the type
// it is of, the function it is partitioned by, the extension it belongs to)
// takes the table along with CASCADE, and which tables is not in the text.
func classifyDrop(n *pg.DropStmt) Statement {
	s := Statement{DDL: true}
	cascade := n.Behavior == pg.DropBehavior_DROP_CASCADE
	switch n.RemoveType {
	case pg.ObjectType_OBJECT_TABLE:
		s.Verb = Drop
		for _, o := range n.Objects {
			s.Targets = append(s.Targets, nameOfList(o))
			s.TargetsOnly = append(s.TargetsOnly, false)
		}
	case pg.ObjectType_OBJECT_EXTENSION:
		// Its own tables go with or without CASCADE.
		s.Verb, s.Uncountable = Drop, describe(n)
	case pg.ObjectType_OBJECT_INDEX, pg.ObjectType_OBJECT_TRIGGER, pg.ObjectType_OBJECT_RULE,
		pg.ObjectType_OBJECT_POLICY, pg.ObjectType_OBJECT_STATISTIC_EXT,
		pg.ObjectType_OBJECT_PUBLICATION, pg.ObjectType_OBJECT_EVENT_TRIGGER:
		// No rows of record hang on these.
	default:
		// A schema, type, function, …: with CASCADE tables may go; without it
		// the server refuses while a table depends on it. A view and a foreign
		// table (whose own rows stay where they are) are types as well, which a
		// table may be partitioned by.
		if cascade {
			s.Verb, s.Uncountable = Drop, describe(n)
		}
		if cascade && n.RemoveType == pg.ObjectType_OBJECT_SCHEMA {
			for _, o := range n.Objects {
				s.Schemas = append(s.Schemas, nameOfList(o).Name)
			}
		}
	}
	s.Cascade = cascade && s.Verb == Drop
	return s
}

// classifyDropLike judges what drops under another name.
func classifyDropLike(node *pg.Node) Statement {
	s := Statement{DDL: true}
	switch n := node.GetNode().(type) {
	case *pg.Node_DropOwnedStmt:
		var roles []string
		for _, r := range n.DropOwnedStmt.Roles {
			name := r.GetRoleSpec().GetRolename()
			switch {
			case name != "":
				s.Owners = append(s.Owners, "'"+strings.ReplaceAll(name, "'", "''")+"'")
			case r.GetRoleSpec().GetRoletype() == pg.RoleSpecType_ROLESPEC_SESSION_USER:
				name = "the current user"
				s.Owners = append(s.Owners, "SESSION_USER")
			default:
				name = "the current user"
				s.Owners = append(s.Owners, "CURRENT_USER")
			}
			roles = append(roles, name)
		}
		s.Verb, s.Uncountable = Drop, "everything owned by "+strings.Join(roles, ", ")
		s.Cascade = n.DropOwnedStmt.Behavior == pg.DropBehavior_DROP_CASCADE
	case *pg.Node_DropdbStmt:
		s.Verb, s.Uncountable, s.OutsideTransaction = Drop, "database "+n.DropdbStmt.Dbname, true
		s.Database = n.DropdbStmt.Dbname
	case *pg.Node_AlterTableStmt:
		for _, c := range n.AlterTableStmt.Cmds {
			cmd := c.GetAlterTableCmd()
			switch cmd.GetSubtype() {
			case pg.AlterTableType_AT_DetachPartition, pg.AlterTableType_AT_DetachPartitionFinalize: // always the only action
				s.Verb, s.Detach = Drop, true
				s.Targets = []Name{nameOf(cmd.GetDef().GetPartitionCmd().GetName())}
				s.TargetsOnly = []bool{false}
				if cmd.GetDef().GetPartitionCmd().GetConcurrent() {
					s.Uncountable, s.OutsideTransaction = "partition "+s.Targets[0].Name+", detached concurrently", true
				}
			case pg.AlterTableType_AT_DropColumn: // ALTER TYPE … DROP ATTRIBUTE too: tables may be of the type
				if n.AlterTableStmt.Objtype == pg.ObjectType_OBJECT_FOREIGN_TABLE {
					continue // its data stay where they are
				}
				s.DropsColumn = true
				s.Only = n.AlterTableStmt.Objtype == pg.ObjectType_OBJECT_TABLE && !n.AlterTableStmt.Relation.GetInh()
				s.Targets = []Name{nameOf(n.AlterTableStmt.Relation)}
				s.TargetsOnly = []bool{s.Only}
			}
		}
	}
	return s
}

// describe names what a DROP drops, for people: "schema a, b and all that depends on it".
func describe(n *pg.DropStmt) string {
	kind := strings.TrimPrefix(n.RemoveType.String(), "OBJECT_")
	kind = strings.ToLower(strings.ReplaceAll(kind, "_", " "))
	switch n.RemoveType {
	case pg.ObjectType_OBJECT_MATVIEW:
		kind = "materialized view"
	case pg.ObjectType_OBJECT_FDW:
		kind = "foreign-data wrapper"
	}
	var names []string
	for _, o := range n.Objects {
		if name := nameOfList(o); name.Name != "" {
			names = append(names, strings.TrimPrefix(name.Schema+"."+name.Name, "."))
		}
	}
	text := strings.TrimSpace(kind + " " + strings.Join(names, ", "))
	if n.Behavior == pg.DropBehavior_DROP_CASCADE {
		text += " and all that depends on it"
	}
	return text
}

// nameOfList reads a name as DROP has it, in whichever of its forms: a list of
// parts, one string, a type, a function with arguments.
func nameOfList(n *pg.Node) Name {
	var parts []*pg.Node
	switch o := n.GetNode().(type) {
	case *pg.Node_List:
		parts = o.List.Items
	case *pg.Node_String_:
		parts = []*pg.Node{n}
	case *pg.Node_TypeName:
		parts = o.TypeName.Names
	case *pg.Node_ObjectWithArgs:
		parts = o.ObjectWithArgs.Objname
	}
	var name Name
	for _, p := range parts {
		if s := p.GetString_(); s != nil {
			name.Schema, name.Name = name.Name, s.Sval
		}
	}
	return name
}
