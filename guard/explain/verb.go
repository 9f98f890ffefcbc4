package explain

import (
	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/sqlparse"
)

// kind is what a statement is, for people.
func kind(st sqlparse.Statement) string {
	switch {
	case st.Update != nil:
		return "UPDATE"
	case st.Detach:
		return "DETACH PARTITION"
	case st.DropsColumn:
		return "DROP COLUMN"
	}
	switch st.Verb {
	case sqlparse.Delete:
		return "DELETE"
	case sqlparse.Truncate:
		return "TRUNCATE"
	case sqlparse.Drop:
		return "DROP"
	case sqlparse.Merge:
		return "MERGE"
	case sqlparse.Nested:
		return "DELETE inside another statement"
	case sqlparse.Call:
		return "CALL"
	case sqlparse.Do:
		return "DO"
	case sqlparse.Execute:
		return "EXECUTE"
	case sqlparse.Unknown:
		return "text that cannot be parsed"
	}
	return "statement"
}

// verb is the statement's kind in the policy's terms, "" for others.
func verb(st sqlparse.Statement) policy.Verb {
	switch {
	case st.Update != nil:
		return policy.Update
	case st.Detach:
		return policy.Detach
	case st.DropsColumn:
		return policy.DropColumn
	}
	switch st.Verb {
	case sqlparse.Delete:
		return policy.Delete
	case sqlparse.Truncate:
		return policy.Truncate
	case sqlparse.Drop:
		return policy.Drop
	case sqlparse.Merge:
		return policy.Merge
	case sqlparse.Do, sqlparse.Call:
		return policy.Call
	}
	return ""
}

// plain: by its text it removes and changes nothing that a rule may be about.
func plain(st sqlparse.Statement) bool {
	return (st.Verb == sqlparse.Plain || st.Verb >= sqlparse.Begin) && st.Update == nil && !st.UpdatesInside && !st.DropsColumn
}
