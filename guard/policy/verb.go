package policy

import "github.com/rowback/rowback/sqlparse"

// VerbOf is the kind of a statement as rules refuse it, "" for those that none
// can. It goes by the text alone: of an EXECUTE or a function call it is "".
func VerbOf(st sqlparse.Statement) Verb {
	switch {
	case st.Update != nil:
		return Update
	case st.Detach:
		return Detach
	case st.DropsColumn:
		return DropColumn
	}
	switch st.Verb {
	case sqlparse.Delete, sqlparse.Nested:
		return Delete
	case sqlparse.Truncate:
		return Truncate
	case sqlparse.Drop:
		return Drop
	case sqlparse.Merge:
		return Merge
	case sqlparse.Do, sqlparse.Call:
		return Call
	}
	return ""
}
