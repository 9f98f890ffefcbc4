package sqlparse

import (
	"cmp"

	pg "github.com/pganalyze/pg_query_go/v5"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// restricts reports whether a condition may leave rows out: it reads a column,
// and no arm of an OR makes it always true ("id = 5 OR 1 = 1"). Whether what it
// reads differs from row to row is not in the text.
func restricts(n *pg.Node) bool {
	b := n.GetBoolExpr()
	if b == nil {
		return readsColumn(n)
	}
	any := false
	for _, a := range b.Args {
		any = any || restricts(a)
		if is, known := truth(a); known && is && b.Boolop == pg.BoolExprType_OR_EXPR {
			return false
		}
	}
	return any
}

// readsColumn: EXISTS (SELECT * …) alone reads none, nor does t.*, which says
// nothing of any one column.
func readsColumn(n *pg.Node) bool {
	found := false
	walk(n.ProtoReflect(), func(m protoreflect.Message) bool {
		switch x := m.Interface().(type) {
		case *pg.ColumnRef:
			found = found || x.Fields[len(x.Fields)-1].GetAStar() == nil
		case *pg.CurrentOfExpr:
			found = true
		}
		return !found
	})
	return found
}

// readsTarget: what stands in a subquery may be another table's, and so may what no
// table's name stands before if there is USING. WHERE CURRENT OF reads none.
func readsTarget(n *pg.DeleteStmt) bool {
	name := n.Relation.GetAlias().GetAliasname()
	if name == "" {
		name = n.Relation.GetRelname()
	}
	found := false
	var visit func(m protoreflect.Message) bool
	visit = func(m protoreflect.Message) bool {
		switch x := m.Interface().(type) {
		case *pg.SubLink:
			walk(x.Testexpr.ProtoReflect(), visit) // id IN (SELECT …)
			return false
		case *pg.ColumnRef:
			if len(x.Fields) == 2 {
				found = found || x.Fields[0].GetString_().GetSval() == name
			} else {
				found = found || len(n.UsingClause) == 0
			}
		}
		return !found
	}
	walk(n.WhereClause.ProtoReflect(), visit)
	return found
}

// truth is the value of a condition made of constants.
func truth(n *pg.Node) (is, known bool) {
	switch x := n.GetNode().(type) {
	case *pg.Node_AConst:
		b := x.AConst.GetBoolval()
		return b.GetBoolval(), b != nil
	case *pg.Node_AExpr:
		return compareConstants(x.AExpr)
	case *pg.Node_BoolExpr:
		or, not := x.BoolExpr.Boolop == pg.BoolExprType_OR_EXPR, x.BoolExpr.Boolop == pg.BoolExprType_NOT_EXPR
		all := true
		for _, a := range x.BoolExpr.Args {
			is, known := truth(a)
			switch {
			case not:
				return !is, known
			case known && is == or: // decides
				return or, true
			}
			all = all && known
		}
		return !or, all
	}
	return false, false
}

func compareConstants(x *pg.A_Expr) (is, known bool) {
	l, r := x.Lexpr.GetAConst(), x.Rexpr.GetAConst()
	if x.Kind != pg.A_Expr_Kind_AEXPR_OP || len(x.Name) != 1 || l == nil || r == nil {
		return false, false
	}
	var order int
	switch a := l.Val.(type) {
	case *pg.A_Const_Ival:
		b, ok := r.Val.(*pg.A_Const_Ival)
		if !ok {
			return false, false
		}
		order = cmp.Compare(a.Ival.GetIval(), b.Ival.GetIval())
	case *pg.A_Const_Sval:
		b, ok := r.Val.(*pg.A_Const_Sval)
		if !ok || a.Sval.GetSval() != b.Sval.GetSval() { // their order is the collation's
			return false, false
		}
	default:
		return false, false
	}
	switch x.Name[0].GetString_().GetSval() {
	case "=":
		return order == 0, true
	case "<>":
		return order != 0, true
	case "<":
		return order < 0, true
	case ">":
		return order > 0, true
	case "<=":
		return order <= 0, true
	case ">=":
		return order >= 0, true
	}
	return false, false
}

// fixed are the columns that a condition compares, by =, with a constant or a
// parameter, so that all rows it selects have one value there. A column's qualifier
// is not looked at: with USING it may be another table's.
func fixed(n *pg.Node) (columns []string) {
	if b := n.GetBoolExpr(); b != nil && b.Boolop == pg.BoolExprType_AND_EXPR {
		for _, a := range b.Args {
			columns = append(columns, fixed(a)...)
		}
		return columns
	}
	x := n.GetAExpr()
	if x == nil || x.Kind != pg.A_Expr_Kind_AEXPR_OP || len(x.Name) != 1 || x.Name[0].GetString_().GetSval() != "=" {
		return nil
	}
	for _, sides := range [][2]*pg.Node{{x.Lexpr, x.Rexpr}, {x.Rexpr, x.Lexpr}} {
		c, value := sides[0].GetColumnRef(), sides[1]
		for value.GetTypeCast() != nil {
			value = value.GetTypeCast().Arg
		}
		if c != nil && (value.GetAConst() != nil || value.GetParamRef() != nil) {
			return []string{c.Fields[len(c.Fields)-1].GetString_().GetSval()}
		}
	}
	return nil
}
