package sqlparse

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v5"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// classify gives the verdict on one parsed statement, without Text and Offset.
func classify(node *pg.Node) Statement {
	var s Statement
	switch n := node.GetNode().(type) {
	case *pg.Node_DeleteStmt:
		s = classifyDelete(n.DeleteStmt)
	case *pg.Node_MergeStmt:
		if hasDeleteAction(n.MergeStmt) {
			s.Verb, s.Target = Merge, nameOf(n.MergeStmt.Relation)
		}
	case *pg.Node_SelectStmt:
		s.DDL = selectsInto(n.SelectStmt)
		s.Streams = !s.DDL && !modifies(n.SelectStmt.WithClause)
	case *pg.Node_InsertStmt:
	case *pg.Node_UpdateStmt:
		s = classifyUpdate(n.UpdateStmt)
	case *pg.Node_ExplainStmt:
		return classifyExplain(n.ExplainStmt)
	case *pg.Node_CopyStmt:
		s.CopyIn = n.CopyStmt.IsFrom && n.CopyStmt.Filename == "" && !n.CopyStmt.IsProgram
	case *pg.Node_CreateTableAsStmt:
		s.DDL = true
		if n.CreateTableAsStmt.Query.GetExecuteStmt() != nil {
			s.Verb = Execute
		}
	case *pg.Node_TruncateStmt:
		s.Verb = Truncate
		s.Cascade = n.TruncateStmt.Behavior == pg.DropBehavior_DROP_CASCADE
		for _, r := range n.TruncateStmt.Relations {
			s.Targets = append(s.Targets, nameOf(r.GetRangeVar()))
			s.TargetsOnly = append(s.TargetsOnly, !r.GetRangeVar().GetInh())
		}
	case *pg.Node_DropStmt:
		s = classifyDrop(n.DropStmt)
	case *pg.Node_DropOwnedStmt, *pg.Node_DropdbStmt, *pg.Node_AlterTableStmt:
		s = classifyDropLike(node)
	case *pg.Node_TransactionStmt:
		return classifyTransaction(n.TransactionStmt)
	case *pg.Node_PrepareStmt:
		s.Prepares = true
		return s // EXECUTE runs what is inside
	case *pg.Node_DeclareCursorStmt:
		s.Cursor, s.Block = true, true
		return s // FETCH runs what is inside
	case *pg.Node_ExecuteStmt:
		s.Verb = Execute
	case *pg.Node_CallStmt:
		s.Verb, s.CommitsItself = Call, true
	case *pg.Node_DoStmt:
		return classifyDo(n.DoStmt)
	case *pg.Node_VariableSetStmt:
		s.ChangesNames = n.VariableSetStmt.Kind == pg.VariableSetKind_VAR_RESET_ALL || namesSetting(n.VariableSetStmt.Name)
	case *pg.Node_DiscardStmt:
		all := n.DiscardStmt.Target == pg.DiscardMode_DISCARD_ALL
		s.ChangesNames = all || n.DiscardStmt.Target == pg.DiscardMode_DISCARD_TEMP
	case *pg.Node_CreateFunctionStmt, *pg.Node_RuleStmt, *pg.Node_ViewStmt:
		return Statement{DDL: true, ChangesNames: true, Temporary: makesTemporary(node)} // bodies run later
	case *pg.Node_ClusterStmt:
		s.ChangesNames = true // not that: but a table has another file
	case *pg.Node_DeallocateStmt, *pg.Node_FetchStmt, *pg.Node_ClosePortalStmt, *pg.Node_VariableShowStmt,
		*pg.Node_ListenStmt, *pg.Node_NotifyStmt, *pg.Node_UnlistenStmt,
		*pg.Node_CheckPointStmt, *pg.Node_VacuumStmt, *pg.Node_ReindexStmt,
		*pg.Node_GrantRoleStmt, *pg.Node_CreateRoleStmt, *pg.Node_AlterRoleStmt,
		*pg.Node_AlterRoleSetStmt, *pg.Node_AlterSystemStmt, *pg.Node_LoadStmt:
	case *pg.Node_RefreshMatViewStmt, *pg.Node_CommentStmt, *pg.Node_SecLabelStmt,
		*pg.Node_GrantStmt, *pg.Node_AlterDefaultPrivilegesStmt:
		s.Events = true
	case *pg.Node_LockStmt:
		s.Block = true
	case *pg.Node_ConstraintsSetStmt:
		s.SetsConstraints = true
	default:
		s.DDL = true // any CREATE, ALTER, DROP, IMPORT; and what this list does not know
	}
	s.Temporary = makesTemporary(node)
	s.OutsideTransaction = s.OutsideTransaction || indexesOutside(node)
	s.Shapes = s.DDL && s.Verb == Plain && shapes(node)
	walkBelow(node, &s)
	s.ChangesNames = s.ChangesNames || s.DDL
	return s
}

// walkBelow adds to the verdict on a statement what stands inside it.
func walkBelow(root *pg.Node, s *Statement) {
	depth := 0 // the node and the statement in it are the root itself
	nested, updates := false, false
	targets, where := []Name(nil), true
	switch s.Verb {
	case Delete:
		targets, where = append(targets, s.Target), s.Where
	case Merge:
		targets = append(targets, s.Target)
	}
	walk(root.ProtoReflect(), func(m protoreflect.Message) bool {
		depth++
		if depth <= 2 {
			return true
		}
		switch n := m.Interface().(type) {
		case *pg.DeleteStmt:
			nested = true
			targets, where = append(targets, nameOf(n.Relation)), where && restricts(n.WhereClause)
		case *pg.MergeStmt:
			nested = nested || s.Verb == Delete || hasDeleteAction(n)
			if hasDeleteAction(n) {
				targets = append(targets, nameOf(n.Relation))
			}
		case *pg.UpdateStmt:
			nested = nested || s.Verb == Delete // Capture could not put it below a WITH
			updates = true
		case *pg.InsertStmt:
			nested = nested || s.Verb == Delete
		case *pg.OnConflictClause:
			updates = updates || n.Action == pg.OnConflictAction_ONCONFLICT_UPDATE
		case *pg.MergeWhenClause:
			updates = updates || n.CommandType == pg.CmdType_CMD_UPDATE
		case *pg.ParamRef:
			s.Params = true
		case *pg.FuncCall:
			s.ChangesNames = s.ChangesNames || setsNames(n)
		}
		return true
	})
	s.UpdatesInside = s.UpdatesInside || updates
	if s.Update != nil {
		s.Update.Others = updates
	}
	if nested {
		*s = Statement{Verb: Nested, Targets: targets, TargetsOnly: make([]bool, len(targets)), Where: where, DDL: s.DDL, CopyIn: s.CopyIn, ChangesNames: s.ChangesNames, Params: s.Params, UpdatesInside: s.UpdatesInside}
	}
}

func classifyDelete(n *pg.DeleteStmt) Statement {
	var columns []string
	if len(n.UsingClause) == 0 {
		columns = fixed(n.WhereClause)
	}
	return Statement{
		Fixed:     columns,
		Verb:      Delete,
		Target:    nameOf(n.Relation),
		Only:      !n.Relation.GetInh(),
		Where:     restricts(n.WhereClause),
		Reads:     readsTarget(n),
		Returning: len(n.ReturningList) > 0,
		Joins:     len(n.UsingClause) > 0,
		qualifier: qualifierOf(n.Relation, n.UsingClause),
	}
}

// classifyExplain: EXPLAIN runs its statement only with ANALYZE.
func classifyExplain(n *pg.ExplainStmt) Statement {
	analyze := false
	for _, o := range n.Options {
		d := o.GetDefElem()
		analyze = analyze || d.GetDefname() == "analyze" && !isFalse(d.GetArg())
	}
	if !analyze {
		return Statement{}
	}
	s := classify(n.Query)
	if s.Verb == Delete || s.Verb == Merge {
		return Statement{Verb: Nested, Targets: []Name{s.Target}, TargetsOnly: []bool{false}, Where: s.Where || s.Verb == Merge, ChangesNames: s.ChangesNames, UpdatesInside: s.UpdatesInside}
	}
	s.Update, s.qualifier = nil, nil
	s.Cursor = false // none is opened: what one is declared over runs at once
	return s
}

// isFalse reports whether an option's value surely means off.
func isFalse(n *pg.Node) bool {
	switch v := n.GetNode().(type) {
	case *pg.Node_String_:
		switch strings.ToLower(v.String_.Sval) {
		case "false", "off":
			return true
		}
	case *pg.Node_Integer:
		return v.Integer.Ival == 0
	case *pg.Node_Boolean:
		return !v.Boolean.Boolval
	}
	return false
}

func classifyTransaction(n *pg.TransactionStmt) Statement {
	s := Statement{Savepoint: n.SavepointName, GID: n.Gid, Chain: n.Chain}
	switch n.Kind {
	case pg.TransactionStmtKind_TRANS_STMT_BEGIN, pg.TransactionStmtKind_TRANS_STMT_START:
		s.Verb = Begin
	case pg.TransactionStmtKind_TRANS_STMT_COMMIT:
		s.Verb = Commit
	case pg.TransactionStmtKind_TRANS_STMT_ROLLBACK:
		s.Verb = Rollback
	case pg.TransactionStmtKind_TRANS_STMT_SAVEPOINT:
		s.Verb = Savepoint
	case pg.TransactionStmtKind_TRANS_STMT_RELEASE:
		s.Verb = Release
	case pg.TransactionStmtKind_TRANS_STMT_ROLLBACK_TO:
		s.Verb = RollbackTo
	case pg.TransactionStmtKind_TRANS_STMT_PREPARE:
		s.Verb = PrepareTransaction
	case pg.TransactionStmtKind_TRANS_STMT_COMMIT_PREPARED:
		s.Verb = CommitPrepared
	case pg.TransactionStmtKind_TRANS_STMT_ROLLBACK_PREPARED:
		s.Verb = RollbackPrepared
	default:
		return unknownVerdict()
	}
	return s
}

// classifyDo looks into the body as text: a DO block in PL/pgSQL commits only
// by COMMIT, ROLLBACK, or a procedure it calls; any other language is opaque.
func classifyDo(n *pg.DoStmt) Statement {
	s := Statement{Verb: Do}
	for _, a := range n.Args {
		v := strings.ToLower(a.GetDefElem().GetArg().GetString_().GetSval())
		if a.GetDefElem().GetDefname() == "language" && v != "plpgsql" {
			s.CommitsItself, s.DDL = true, true
		}
		if a.GetDefElem().GetDefname() == "as" {
			s.CommitsItself = s.CommitsItself || containsAny(v, "commit", "rollback", "call")
			s.DDL = s.DDL || containsAny(v, "create", "alter", "drop", "execute", "into")
			s.Events = containsAny(v, "refresh", "comment", "security", "grant", "revoke")
			s.Prepares = containsAny(v, "prepare", "execute")
			s.ChangesNames = containsAny(v, "set", "discard") // SET, RESET, set_config, pg_settings
		}
	}
	s.ChangesNames = s.ChangesNames || s.DDL
	return s
}

func containsAny(s string, words ...string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

func hasDeleteAction(n *pg.MergeStmt) bool {
	for _, w := range n.MergeWhenClauses {
		if w.GetMergeWhenClause().GetCommandType() == pg.CmdType_CMD_DELETE {
			return true
		}
	}
	return false
}

// selectsInto: SELECT … INTO makes a table. In a set operation the INTO stands
// in the leftmost branch.
func selectsInto(n *pg.SelectStmt) bool {
	for ; n != nil; n = n.Larg {
		if n.IntoClause != nil {
			return true
		}
	}
	return false
}

// modifies: a statement in the WITH writes.
func modifies(w *pg.WithClause) bool {
	return slices.ContainsFunc(w.GetCtes(), func(c *pg.Node) bool { return c.GetCommonTableExpr().GetCtequery().GetSelectStmt() == nil })
}

// makesTemporary: CREATE TEMP TABLE, with AS too, or VIEW, or SELECT INTO TEMP. What
// inherits changes another table, which others see.
func makesTemporary(node *pg.Node) bool {
	var r *pg.RangeVar
	switch n := node.Node.(type) {
	case *pg.Node_CreateStmt:
		if len(n.CreateStmt.InhRelations) == 0 {
			r = n.CreateStmt.Relation
		}
	case *pg.Node_CreateTableAsStmt:
		r = n.CreateTableAsStmt.GetInto().GetRel()
	case *pg.Node_SelectStmt:
		r = n.SelectStmt.GetIntoClause().GetRel()
	case *pg.Node_ViewStmt:
		r = n.ViewStmt.View
	}
	return r.GetRelpersistence() == "t" || r.GetSchemaname() == "pg_temp"
}

// namesSetting reports whether a setting decides how names resolve: the path
// itself, and the user that "$user" in it stands for; or whether the user may see all rows.
func namesSetting(name string) bool {
	switch strings.ToLower(name) {
	case "search_path", "role", "session_authorization", "row_security":
		return true
	}
	return false
}

// setsNames: set_config('search_path', …), or of a setting that is not written out.
func setsNames(n *pg.FuncCall) bool {
	if len(n.Funcname) == 0 || n.Funcname[len(n.Funcname)-1].GetString_().GetSval() != "set_config" {
		return false
	}
	if len(n.Args) == 0 {
		return true
	}
	name, ok := n.Args[0].GetAConst().GetVal().(*pg.A_Const_Sval)
	return !ok || namesSetting(name.Sval.GetSval())
}

func nameOf(r *pg.RangeVar) Name { return Name{Schema: r.GetSchemaname(), Name: r.GetRelname()} }
